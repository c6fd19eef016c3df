"""The commands a newcomer types, from the Makefile's own targets to the files they leave."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pandas as pd
import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT


def make(*arguments, cwd=ROOT, **environment):
    command = ["make", "--no-print-directory", *map(str, arguments)]
    # The make that may run these tests hands its variables on.
    own = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "ARGS"}
    variables = {**own, "PYTHON": sys.executable, **environment}
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)


@pytest.fixture
def protocol(tmp_path):
    """A protocol of two small epochs."""
    path = tmp_path / "small.yaml"
    path.write_text(
        "image_size: 32\nepochs: 2\nbatch_size: 16\noptimizer: adamw\nlearning_rate: 0.002\n"
        "schedule: one_cycle\ntrain_examples: 64\ninit: lsuv\n"
    )
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


def bench(results, protocol, *arguments, **environment):
    settings = [f"RESULTS={results}", f"PROTOCOL={protocol}"]
    return make("bench", *settings, *arguments, **environment)


def check(folder, done, models, seeds):
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(folder / "results.csv")
    assert sorted(zip(rows["model"], rows["seed"], strict=True)) == sorted(
        (model, seed) for model in models for seed in seeds
    )
    assert set(rows["status"]) == {"ok"}
    assert len(list((folder / "runs").glob("*.json"))) == len(rows)
    table = (folder / "table.md").read_text()
    for text in (table.replace("|", "\n"), done.stdout):
        assert set(models) <= {line.split()[0] for line in text.splitlines() if line.strip()}
    assert f"written to {folder}: report.html, table.md, results.csv, plots" in done.stdout
    return rows


@pytest.mark.slow
def test_bench_on_small_data(results, protocol, image_folder):
    arguments = [results, protocol, "MODELS=lenet,lenet_r*", "DATASET=cifar10", "SEEDS=0,1"]
    environment = {"CIFAR10_IMAGES": str(image_folder)}
    done = bench(*arguments, **environment)
    folder = results / "cifar10" / "small"
    rows = check(folder, done, ["lenet", "lenet_relu"], [0, 1])

    again = bench(*arguments, **environment)
    assert again.stdout.count("cached") == 4
    assert check(folder, again, ["lenet", "lenet_relu"], [0, 1]).equals(rows)

    (folder / "results.csv").unlink()
    done = make("report", f"RESULTS={results}")
    check(folder, done, ["lenet", "lenet_relu"], [0, 1])


@pytest.mark.slow
def test_bench_on_fashion_mnist(results, protocol, fashion_mnist, data_dir):
    done = bench(results, protocol, "MODELS=lenet", DATA_DIR=str(data_dir.absolute()))
    folder = results / "fashion_mnist" / "small"
    check(folder, done, ["lenet"], [0])


def test_help_shows_targets_and_variables():
    shown = make("help").stdout
    targets = "help|setup|data|bench|options|describe|peers|study|report|notebook|test|faults|lint"
    targets += "|format|clean|claim|compare|images"
    variables = (
        "MODELS|DATASET|PROTOCOL|SEEDS|DEVICE|RESULTS|BUDGET|LOGGER|ARGS|FORCE|DATA_DIR|PYTHON"
    )
    assert set(re.findall(r"^  make (\w+) ", shown, re.M)) == set(targets.split("|"))
    assert set(variables.split("|")) <= set(re.findall(r"^  ([A-Z_]+) ", shown, re.M))


def test_every_option_has_a_way_through_make():
    """Variables of their own, as scripts use them, and ARGS for all options."""
    old = {"JOBS": 2, "EXECUTOR": "local", "TIMEOUT": 9, "DEVICES": 1, "NUM_NODES": 1}
    old |= {"LOGGER": "tensorboard", "BUDGET": "15m"}
    variables = [f"{name}={value}" for name, value in old.items()]
    shown = make(
        "--dry-run", "bench", *variables, "STRATEGY=auto", "COMPILE=1", "ARGS=--seeds 3"
    ).stdout
    for name, value in old.items():
        assert f"--{name.lower().replace('_', '-')} '{value}'" in shown
    assert "--strategy 'auto'" in shown
    assert "--protocol.compile true" in shown
    assert shown.rstrip().endswith("--seeds 3")


@pytest.mark.slow
def test_one_field_of_the_protocol_is_varied(results, protocol, image_folder):
    arguments = [results, protocol, "MODELS=lenet[padding=[0,2]]", "DATASET=cifar10"]
    done = bench(*arguments, "VARY=batch_size=16,32", CIFAR10_IMAGES=str(image_folder))
    assert done.returncode == 0, done.stderr
    folder = results / "cifar10" / "small+batch_size=16,32"
    rows = pd.read_csv(folder / "results.csv")
    assert set(zip(rows["model"], rows["varied_value"], strict=True)) == {
        (model, size) for model in ("lenet", "lenet[padding=0]") for size in (16, 32)
    }
    assert (folder / "plots" / "vary.png").exists()
    again = bench(*arguments, "VARY=batch_size=16,32", CIFAR10_IMAGES=str(image_folder))
    assert again.stdout.count("cached") == 4


def test_bad_input_ends_in_one_line(results, protocol):
    done = bench(results, protocol, "MODELS=lenett")
    assert done.returncode == 2
    assert "benchmarks: unknown model 'lenett'; did you mean lenet" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_is_found_on_the_path_that_is_given(tmp_path):
    layers = "nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4, 10)"
    code = f"from torch import nn\n\n\ndef net():\n    return nn.Sequential({layers})\n"
    (tmp_path / "elsewhere.py").write_text(code)
    done = make("describe", "MODEL=elsewhere:net", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_clean_leaves_results_and_data(tmp_path):
    kept = {tmp_path / "results" / "reference" / "table.md", tmp_path / "data" / "images.npz"}
    for path in (*kept, tmp_path / ".venv" / "installed"):
        path.parent.mkdir(parents=True)
        path.touch()
    done = make("-f", ROOT / "Makefile", "-C", tmp_path, "clean")
    assert done.returncode == 0, done.stderr
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_git_sees_the_shipped_results_alone():
    own = ["results/a/quick/runs/a.json", "results/results.ipynb"]
    unseen = ["results/reference/a/quick/weights/a.safetensors", "results/reference/.identity"]
    unseen += ["results/reference/logs/tensorboard/events"]
    shipped = ["results/reference/a/quick/runs/a.json", "results/reference/studies/a/plots/a.png"]
    command = ["git", "check-ignore", "--no-index", *own, *unseen, *shipped]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 128:
        pytest.skip("no git repository")
    assert done.stdout.split() == own + unseen


def test_describe():
    done = make("describe", "MODEL=nin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Network in Network" in done.stdout


def test_kernel_sizes_are_timed_with_all_models():
    assert "--study kernel_size" in make("--dry-run", "bench", "MODELS=all").stdout
    assert "--study" not in make("--dry-run", "bench", "MODELS=lenet").stdout


def program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_values_reach_the_command_as_they_were_given(tmp_path):
    """Spaces, quotes and backslashes, also in the path of Python."""
    python = program(tmp_path / "it's a path" / "python", "printf '<%s>\\n' \"$@\"")
    given = {"RESULTS": 'it\'s "my" results', "PROTOCOL": "a\\b.yaml", "JOBS": "2 '"}
    variables = [f"{name}={value}" for name, value in given.items()]
    done = make("bench", f"PYTHON={python}", "MODELS=a b;c", "ARGS=--x '1 2'", *variables)
    assert done.returncode == 0, done.stderr
    words = re.findall("<(.*)>", done.stdout)
    given |= {"MODELS": "a b;c", "X": "1 2"}
    for name, value in given.items():
        assert words[words.index(f"--{name.lower()}") + 1] == value


def test_python_may_be_a_command_with_arguments():
    shown = make("--dry-run", "describe", "PYTHON=uv run python").stdout
    assert shown.startswith("uv run python -m benchmarks describe")


@pytest.fixture
def checkout(tmp_path):
    """The Makefile in a folder whose programs write down how they are called."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    log = tmp_path / "log"
    installed = f'echo "$@" >>"{log}"; case "$1" in -c) echo True;; esac'
    template = program(tmp_path / "template", installed)
    makes = f'echo "python3 $@" >>"{log}"; rm -rf .venv; mkdir -p .venv/bin; '
    program(tmp_path / "bin" / "python3", makes + f'cp "{template}" .venv/bin/python')
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"

    def run(*arguments):
        log.write_text("")
        done = make(*arguments, cwd=tmp_path, PYTHON="", PATH=path)
        assert done.returncode == 0, done.stderr
        calls = [line for line in log.read_text().splitlines() if not line.startswith("-c ")]
        return [re.sub(r"--(quiet|disable-pip-version-check) ", "", call) for call in calls]

    return tmp_path, run


INSTALLS = "-m pip install -e .[dev]"
DESCRIBES = "-m benchmarks describe lenet"
MAKES = "python3 -m venv --clear .venv"


def test_packages_are_installed_once_and_when_they_change(checkout):
    folder, run = checkout
    assert run("describe") == [MAKES, INSTALLS, DESCRIBES]
    assert run("describe") == [DESCRIBES]
    settings = folder / "pyproject.toml"
    settings.touch()
    os.utime(settings, (2e9, 2e9))
    assert run("describe") == [DESCRIBES]
    settings.write_text(settings.read_text() + "\n# of a tool\n")
    os.utime(settings, (2e9, 2e9))
    assert run("describe") == [DESCRIBES]
    settings.write_text(settings.read_text().replace('"torch>=', '"another>=1", "torch>='))
    os.utime(settings, (2e9, 2e9))
    assert run("describe") == [INSTALLS, DESCRIBES]


@pytest.mark.parametrize("script", ["echo False", "exit 1"], ids=["older", "broken"])
def test_an_environment_of_an_older_or_lost_python_is_made_anew(checkout, script):
    folder, run = checkout
    run("setup")
    program(folder / ".venv" / "bin" / "python", script)
    assert run("describe") == [MAKES, INSTALLS, DESCRIBES]


def test_pinned_versions_are_installed_when_asked_for(checkout):
    _, run = checkout
    run("setup")
    assert run("setup", "PINNED=1") == ["-m pip install -c constraints.txt -e .[dev]"]
    assert run("describe") == [DESCRIBES]
    assert run("setup", "PINNED=0") == []


def test_pinned_versions_are_those_that_the_project_admits():
    """Each dependency has a version, and pyproject.toml admits it."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    versions = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"].values()
    for text in [*project["dependencies"], *(text for group in optional for text in group)]:
        needed = Requirement(text)
        if needed.name != project["name"]:
            assert versions[needed.name.lower().replace("_", "-")] in needed.specifier, text
