import dataclasses
import json
import shutil
import subprocess
import sys

import pytest

from benchmarks.planning import fingerprint
from benchmarks.planning.fingerprint import difference, imported_digest, package_digest
from benchmarks.planning.placement import Placement
from tests.conftest import ROOT


@pytest.fixture
def digest_of(tmp_path):
    """The hash of a module with this text."""

    def of(text):
        path = tmp_path / "some_module.py"
        path.write_text(text)
        return fingerprint.source_digest(path)

    return of


@pytest.fixture(autouse=True)
def _without_caches():
    """Files change within these tests."""
    caches = [value for value in vars(fingerprint).values() if hasattr(value, "cache_clear")]
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


SAME = [
    ("size = 3", "size = 3  # three"),
    ("size = 3", "size  =  3"),
    ("size = 3", '"""Prose."""\nsize = 3'),
    ('def f():\n    """Prose."""\n    return 2', 'def f():\n    """Verse."""\n    return 2'),
    ("def f(x):\n    return 2", "def f(x: int) -> int:\n    return 2"),
    ('raise ValueError("one")', 'raise ValueError(f"two {x}")'),
    ('print("one")\nsize = 3', "size = 3"),
    (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os",
        "from typing import TYPE_CHECKING",
    ),
]
OTHER = [
    ("size = 3", "size = 5"),
    ("size = 3", "size = 3.0"),
    ('name = "one"', 'name = "two"'),
    ('raise ValueError("one")', 'raise TypeError("one")'),
    ("def f(x, y): return x - y", "def f(y, x): return x - y"),
    ("x = [1, 2]", "x = (1, 2)"),
    ("x = a and b", "x = a or b"),
    ("import os", "import sys"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_changes_no_number_changes_no_hash(digest_of, one, other):
    assert digest_of(one) == digest_of(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_may_change_a_number_changes_the_hash(digest_of, one, other):
    assert digest_of(one) != digest_of(other)


DIGESTS = """
import json, pathlib
from benchmarks.planning.fingerprint import source_digest
folders = ("benchmarks", "lit_models", "datamodules")
files = sorted(file for folder in folders for file in pathlib.Path(folder).rglob("*.py"))
print(json.dumps({str(file): source_digest(file) for file in files}))
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_version_of_python_computes_the_same_hash(version):
    python = shutil.which(f"python{version}")
    command = [python, "-c", DIGESTS]
    done = python and subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if not done or done.returncode != 0:
        pytest.skip(f"Python {version} is not installed")
    command = [sys.executable, "-c", DIGESTS]
    here = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(here.stdout)


def test_what_a_net_imports_of_the_models_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_net.py").write_text("from lit_models.nets.lenet import LeNet\nx = 1")
    own = imported_digest(["some_net"])
    assert own == imported_digest(["some_net", "lit_models.nets.lenet"])
    assert own != imported_digest(["lit_models.nets.lenet"])


def test_a_users_net_is_known_by_all_code_of_its_package(tmp_path, monkeypatch):
    package = tmp_path / "users_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text("from .blocks import width\nfrom . import heads\n")
    (package / "heads.py").write_text("import users_package.more\n")
    monkeypatch.syspath_prepend(tmp_path)
    digests = set()
    for width in (3, 4):
        (package / "blocks.py").write_text(f"width = {width}\n")
        for classes in (3, 4):
            (package / "more.py").write_text(f"classes = {classes}\n")
            fingerprint._module_digest.cache_clear()
            digests.add(imported_digest(["users_package.nets"], "users_package"))
    assert len(digests) == 4


def test_a_package_without_init_counts_like_any(tmp_path, monkeypatch):
    folder = tmp_path / "bare_package" / "parts"
    folder.mkdir(parents=True)
    (folder.parent / "nets.py").write_text("from bare_package.parts import blocks\n")
    monkeypatch.syspath_prepend(tmp_path)
    digests = set()
    for width in (3, 4):
        (folder / "blocks.py").write_text(f"width = {width}\n")
        fingerprint._module_digest.cache_clear()
        digests.add(imported_digest(["bare_package.nets"], "bare_package"))
        digests.add(package_digest("bare_package"))
    assert len(digests) == 4


def test_files_beside_a_users_net_count(tmp_path, monkeypatch):
    (tmp_path / "blocks_beside").mkdir()
    (tmp_path / "blocks_beside" / "__init__.py").write_text("from blocks_beside import inner\n")
    (tmp_path / "lone_net.py").write_text("import json\nimport torch\nimport blocks_beside\n")
    monkeypatch.syspath_prepend(tmp_path)
    digests = set()
    for width in (3, 4):
        (tmp_path / "blocks_beside" / "inner.py").write_text(f"width = {width}\n")
        fingerprint._module_digest.cache_clear()
        digests.add(imported_digest(["lone_net"], "lone_net"))
    assert len(digests) == 2


def test_a_package_is_hashed_as_a_whole(tmp_path, monkeypatch):
    folder = tmp_path / "some_package" / "inner"
    folder.mkdir(parents=True)
    for file in (folder.parent / "__init__.py", folder / "__init__.py", folder / "deep.py"):
        file.write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    before = package_digest("some_package")
    (folder / "deep.py").write_text("x = 1")
    fingerprint._module_digest.cache_clear()
    assert package_digest("some_package") != before


def test_a_difference_is_named():
    old = {"a": 1, "b": {"c": 2, "d": 3}, "code of x": "e"}
    new = {"a": 1, "b": {"c": 4, "d": 3}, "code of x": "f", "g": None}
    assert difference(old, new) == "c 2 -> 4; code of x changed"
    assert difference(new, new) == ""


@pytest.mark.parametrize(
    "change",
    [
        *({"model": "nin"}, {"seed": 1}, {"data_digest": "other"}, "learning_rate"),
        {"placement": Placement("cuda", strategy="single_device")},
        {"placement": Placement("cpu", devices=2, strategy="ddp")},
    ],
)
def test_the_key_changes_with_all_that_changes_the_numbers(make_spec, change):
    spec = make_spec()
    if change == "learning_rate":
        change = {"protocol": dataclasses.replace(spec.protocol, learning_rate=0.5)}
    assert spec.key == make_spec().key
    assert dataclasses.replace(spec, **change).key != spec.key


def test_the_key_does_not_depend_on_the_name_of_the_protocol(make_spec):
    spec = make_spec()
    assert dataclasses.replace(spec, protocol_name="other").key == spec.key
