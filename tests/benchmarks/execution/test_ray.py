"""Runs on Ray; workers that are lost are in `tests/faults`."""

import random

import pytest
import torch

import lit_models
from benchmarks.errors import UsageError
from benchmarks.execution.sweep import sweep
from benchmarks.planning.plan import RunOptions
from benchmarks.records.record import FAILED, OK
from benchmarks.records.store import RecordStore
from tests.faults.conftest import numbers

pytest.importorskip("ray", reason="Ray is not installed")

from benchmarks.execution import ray as ray_executor
from benchmarks.execution.local import LocalExecutor
from benchmarks.execution.ray import RayExecutor, Resources

LAPTOP = {"CPU": 8, "memory": 1e9}
GPU_NODE = {"CPU": 64, "GPU": 8}
HEAD = {"CPU": 16}


@pytest.mark.parametrize(
    ("nodes", "on_gpu", "jobs", "share", "times"),
    [
        ([LAPTOP], False, 0, Resources(8, 0), [1]),
        ([LAPTOP], False, 4, Resources(2, 0), [4]),
        ([LAPTOP], False, 3, Resources(2, 0), [4]),
        ([LAPTOP], False, 16, Resources(0.5, 0), [16]),
        ([GPU_NODE], True, 0, Resources(8, 1), [8]),
        ([GPU_NODE], True, 4, Resources(16, 1), [4]),
        ([GPU_NODE], True, 16, Resources(4, 0.5), [16]),
        ([GPU_NODE], False, 0, Resources(64, 0), [1]),
        ([HEAD, GPU_NODE, GPU_NODE], True, 0, Resources(8, 1), [0, 8, 8]),
        ([GPU_NODE, {"CPU": 8, "GPU": 2}], True, 0, Resources(4, 1), [8, 2]),
        ([HEAD, GPU_NODE], False, 0, Resources(16, 0), [1, 4]),
        ([{"CPU": 4, "GPU": 8}], True, 0, Resources(0.5, 1), [8]),
    ],
)
def test_nodes_are_filled(nodes, on_gpu, jobs, share, times):
    assert Resources.of(nodes, on_gpu, jobs) == share
    assert [share.times(node) for node in nodes] == times


def test_every_node_that_will_do_has_room_for_the_jobs():
    numbers = random.Random(0)
    for _ in range(1000):
        on_gpu, jobs = numbers.random() < 0.5, numbers.randint(1, 100)
        nodes = [
            {"CPU": numbers.randint(1, 200), "GPU": numbers.randint(1, 16)}
            for _ in range(numbers.randint(1, 4))
        ]
        share = Resources.of(nodes, on_gpu, jobs)
        assert all(share.times(node) >= jobs for node in nodes)


def test_a_cluster_without_the_device_is_refused():
    with pytest.raises(UsageError, match="no node of the Ray cluster has a GPU; --device cpu"):
        Resources.of([LAPTOP, HEAD], True, 0)


def test_a_cluster_that_is_not_there_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UsageError, match="no Ray cluster at RAY_ADDRESS=127.0.0.1:1: .* refused"):
        RayExecutor(RunOptions(tmp_path), "cpu")


def test_weights_are_found_from_any_working_folder(make_spec, tmp_path, monkeypatch):
    net = lit_models.build("lenet", in_channels=3, image_size=32)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    monkeypatch.chdir(tmp_path)
    spec = make_spec(weights="net.pt")
    sent = ray_executor._found_anywhere(spec)
    assert sent.protocol.weights == str(tmp_path / "net.pt")
    assert sent.key == spec.key
    assert ray_executor._found_anywhere(make_spec()) == make_spec()


def test_a_node_with_other_versions_trains_nothing(make_spec, tmp_path):
    run = ray_executor._Run(make_spec(), tmp_path, previous=None)
    options = RunOptions(tmp_path)
    record = ray_executor._carry_out(run, "another key", Resources(1, 0), options)
    assert record.status == FAILED
    assert record.error.startswith("its node has other code")


@pytest.mark.slow
def test_a_sweep_on_ray_is_the_same_sweep(make_spec, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    specs = [make_spec(seed=seed) for seed in range(3)]
    executors = {
        "ray": RayExecutor(RunOptions(tmp_path, jobs=2), "cpu"),
        "local": LocalExecutor(RunOptions(tmp_path, jobs=2, threads=1)),
    }
    records, lines = {}, {}
    for name, executor in executors.items():
        ended = sweep(specs, RecordStore(tmp_path / name), executor)
        records[name] = sorted(ended, key=lambda record: record.setup.seed)
        output = capsys.readouterr().out.splitlines()
        # Runs on Ray do not tell the time left.
        told = [line for line in output if " left" not in line]
        lines[name] = sorted(line.partition(", ")[0] for line in told)
    assert lines["ray"] == lines["local"]
    for record, reference in zip(*records.values(), strict=True):
        assert record.status == OK
        assert numbers(record) == numbers(reference)
        assert record.scores.weights_digest == reference.scores.weights_digest
        assert record.resources.jobs == reference.resources.jobs
        assert record.environment == reference.environment
