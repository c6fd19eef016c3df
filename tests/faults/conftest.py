import dataclasses
import importlib
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.execution import local
from benchmarks.execution.sweep import sweep
from benchmarks.planning.plan import RunOptions, plan
from benchmarks.records.artifacts import read_predictions, run_name, weights_path
from benchmarks.records.record import OK, RunRecord
from benchmarks.records.store import RecordStore, load
from benchmarks.training import weights
from lit_models import registry
from tests.conftest import ROOT
from tests.faults import saboteur
from tests.runs import numbers as all_numbers

FAULTS = "faults"  # the property of a test that counts them

SEEDS = (0, 1)
FIELDS = {
    "image_size": 16,
    "epochs": 3,
    "batch_size": 16,
    "train_examples": "null",
    "augmentation": "[flip,crop]",
}
OVERRIDES = ["--protocol=quick", *(f"--protocol.{name}={value}" for name, value in FIELDS.items())]


def pytest_terminal_summary(terminalreporter):
    survived, failed = (
        sum(
            value
            for report in terminalreporter.stats.get(outcome, [])
            for name, value in report.user_properties
            if name == FAULTS
        )
        for outcome in ("passed", "failed")
    )
    if survived or failed:
        terminalreporter.write_line(f"faults: {survived + failed} injected, {survived} survived")


@pytest.fixture
def counted(record_property):
    """Called with the number of faults a test injects; they are survived if the test passes."""

    def inject(number: int = 1) -> None:
        record_property(FAULTS, number)

    return inject


@pytest.fixture(scope="session")
def specs(image_folder, small_dataset):
    """A sweep of two small runs over the images of `image_folder`."""
    importlib.import_module("tests.faults.tiny")
    config = cli.parse(
        ["run", "--models=tiny", "--dataset=cifar10", "--seeds=0,1", *OVERRIDES]
    ).config
    yield plan(config.resolved(), small_dataset)
    del registry._entries["tiny"]


@pytest.fixture(scope="session")
def run_sweep(specs, image_folder, tmp_path_factory):
    """Carries out the sweep in a results folder, struck by a fault or not."""
    data_dir = tmp_path_factory.mktemp("data")

    def run(
        results: Path,
        fault: saboteur.Fault | None = None,
        specs=specs,
        force=False,
        **options,
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CIFAR10_IMAGES", str(image_folder))
            patch.setattr(local, "_run", partial(saboteur.run, fault))
            executor = local.LocalExecutor(RunOptions(data_dir, **options))
            return sweep(specs, RecordStore(results), executor, force)

    return run


@pytest.fixture(scope="session")
def reference(run_sweep, tmp_path_factory) -> dict[int, dict]:
    """The numbers of each seed, of a sweep that nothing befell."""
    records = run_sweep(tmp_path_factory.mktemp("reference"))
    return {record.setup.seed: numbers(record) for record in records}


def numbers(record: RunRecord) -> dict:
    """What a fault must not change, to the bit."""
    left_out = {"resumed", "jobs", "made_in", "device", "commit"}
    content = json.loads(json.dumps(all_numbers(record)))
    return {name: value for name, value in content.items() if name not in left_out}


@pytest.fixture
def check(specs, reference):
    """Asserts that a results folder holds the reference results, whole, and nothing besides."""

    def assert_complete(results: Path) -> list[RunRecord]:
        folder = results / specs[0].folder
        records = load(folder)
        assert [record.status for record in records] == [OK] * len(specs)
        assert {record.setup.seed: numbers(record) for record in records} == reference
        for record in records:
            digest = record.scores.predictions_digest
            assert read_predictions(folder, record).digest == digest
            home = Path(getattr(folder, "path", folder))  # of a file: URL
            file = home / "runs" / f"{run_name(record.setup)}.json"
            weights.load(weights_path(file), record.scores.weights_digest)
        assert not list(results.rglob("*.part"))
        assert not list(results.rglob("*.ckpt"))
        return records

    return assert_complete


@pytest.fixture
def command(specs, image_folder, tmp_path_factory):
    """Starts the sweep as a command of its own, in a process group of its own."""
    data_dir = tmp_path_factory.mktemp("data")

    def start(results, *arguments, sweep_fault=None, run_fault=None, **options):
        faults = [json.dumps(f and dataclasses.asdict(f)) for f in (sweep_fault, run_fault)]
        run = ["run", "--models=tiny", "--dataset=cifar10", "--seeds=0,1", *OVERRIDES]
        folders = [f"--results={results}", f"--data-dir={data_dir}"]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.entry", *faults, *run, *folders, *arguments],
            cwd=ROOT,
            env={**os.environ, "CIFAR10_IMAGES": str(image_folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    return start
