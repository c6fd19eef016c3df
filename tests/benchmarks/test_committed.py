"""The committed numbers follow from the committed code."""

from dataclasses import replace

import pytest
from scipy.stats import binomtest

from benchmarks import cli, run
from benchmarks.execution.local import LocalExecutor
from benchmarks.planning.plan import RunOptions, plan
from benchmarks.records.store import load


@pytest.fixture
def committed(committed_results):
    lenets = (
        record
        for record in load(committed_results / "fashion_mnist" / "quick")
        if record.setup.model == "lenet" and record.setup.inputs
    )
    return min(lenets, key=lambda record: record.setup.seed)


def test_lenet_is_trained_to_its_committed_record(
    committed, fashion_mnist, data_dir, tmp_path, monkeypatch
):
    """To the bit where versions and CPU are the same, and within its interval elsewhere."""
    monkeypatch.setattr("benchmarks.measurement.loop_timings.ROUNDS", 1)
    command = ["run", "--models=lenet", "--protocol=quick", "--device=cpu"]
    command.append(f"--seeds={committed.setup.seed}")
    config = cli.parse([*command, f"--protocol.precision={committed.setup.precision}"]).config
    (spec,) = plan(config.resolved(), fashion_mnist)
    assert spec.protocol == replace(spec.protocol, **_fields(committed.setup.settings))
    options = LocalExecutor(RunOptions(data_dir)).options
    record = run.train(spec, options)
    here, there = record.environment, committed.environment
    if replace(here, commit=None) == replace(there, commit=None):
        assert record.scores == committed.scores
        assert record.history == committed.history
    count = len(fashion_mnist.test_labels)
    correct = round(committed.scores.test_accuracy * count)
    low, high = binomtest(correct, count).proportion_ci(0.99, method="wilson")
    assert low <= record.scores.test_accuracy <= high


def _fields(settings):
    return settings | {"augmentation": tuple(settings["augmentation"])}
