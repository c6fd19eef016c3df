"""The commands a newcomer types, from the Makefile's own targets to the files they leave."""

import os
import re
import subprocess
import sys

import pandas as pd
import pytest

from tests.conftest import ROOT


def make(*arguments, **environment):
    command = ["make", "--no-print-directory", *map(str, arguments)]
    # The make that may run these tests hands its variables on.
    own = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "ARGS"}
    variables = {**own, "PYTHON": sys.executable, **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)


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
    assert table in done.stdout
    assert all(f"| {model} " in table for model in models)
    return rows


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
    targets += "|format|clean"
    variables = "MODELS|DATASET|PROTOCOL|SEEDS|DEVICE|RESULTS|ARGS|FORCE|DATA_DIR|PYTHON"
    assert set(re.findall(r"^  make (\w+) ", shown, re.M)) == set(targets.split("|"))
    assert set(variables.split("|")) <= set(re.findall(r"^  ([A-Z_]+) ", shown, re.M))


def test_every_option_has_a_way_through_make():
    """Variables of their own, as scripts use them, and ARGS for all options."""
    old = {"JOBS": 2, "EXECUTOR": "local", "TIMEOUT": 9, "DEVICES": 1, "NUM_NODES": 1}
    variables = [f"{name}={value}" for name, value in old.items()]
    shown = make(
        "--dry-run", "bench", *variables, "STRATEGY=auto", "COMPILE=1", "ARGS=--seeds 3"
    ).stdout
    for name, value in old.items():
        assert f"--{name.lower().replace('_', '-')} '{value}'" in shown
    assert "--strategy 'auto'" in shown
    assert "--protocol.compile true" in shown
    assert shown.rstrip().endswith("--seeds 3")


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
