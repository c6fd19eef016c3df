import re
import subprocess
import sys
from pathlib import Path

import pytest

import datamodules


def test_import_loads_neither_torch_nor_lightning():
    program = "import sys, datamodules; print({'torch', 'lightning'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_no_module_imports_benchmarks_or_lit_models():
    for path in Path(datamodules.__file__).parent.rglob("*.py"):
        assert not re.search(r"^\s*(from|import) (benchmarks|lit_models)", path.read_text(), re.M)


@pytest.mark.parametrize(
    ("dataset", "is_path"),
    [
        *(("cifar10", False), ("fashion_mnits", False), ("", False), ("here", True), (".", True)),
        *(("a/b", True), ("~", True), ("images.zip", True), ("/nowhere", True), ("there", False)),
    ],
)
def test_paths_and_names(tmp_path, monkeypatch, dataset, is_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "cifar10").mkdir()
    assert datamodules.is_path(dataset) == is_path


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        *(("cifar10", "cifar10"), ("x/cifar10", "cifar10-images"), ("x/Studies", "Studies-images")),
        *(("x/my pets", "my-pets"), ("x/pets.tar.xz", "pets"), ("x/PETS.ZIP", "PETS")),
        *(("x/v1.2", "v1.2"), ("x/.zip", "images"), ("/", "images"), ("x/日本", "日本")),
        *(("x/caf\udce9", "caf"), ("x/../pets/", "pets")),
    ],
)
def test_names_of_folders(dataset, name):
    assert datamodules.folder_name(dataset) == name
