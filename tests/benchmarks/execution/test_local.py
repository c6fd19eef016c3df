"""Which GPU each run of a sweep gets; no GPU is needed, and no CUDA is initialised."""

import os
from dataclasses import replace

import pytest
import torch

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.execution import local, sweep
from benchmarks.execution.local import LocalExecutor
from benchmarks.machine import environment, shell
from benchmarks.planning.placement import DDP, Placement
from benchmarks.planning.plan import RunOptions
from benchmarks.records.record import FAILED, RunRecord
from benchmarks.records.store import RecordStore


@pytest.fixture(autouse=True)
def _visible_gpus(monkeypatch):
    """What a test sets is undone, also where the command line sets it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


@pytest.fixture
def gpus(monkeypatch):
    """Makes this machine seem to have GPUs of these names."""

    def pretend(*names):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(names))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: names[index])

    return pretend


def report_gpu(sender, spec, options, *args):
    """In place of a run: fails with the GPUs that it would have used."""
    sender.send(RunRecord.of(spec, status=FAILED, error=options.gpus))


@pytest.fixture
def used(monkeypatch, make_spec, tmp_path):
    """The GPUs of each of four runs, in the order in which the runs begin."""

    def carry_out(jobs, devices=1):
        monkeypatch.setattr(local, "_run", report_gpu)
        # Every run is still there when the next begins.
        monkeypatch.setattr(sweep, "TICK", 0.0)
        placement = Placement("cuda", devices, strategy=DDP if devices > 1 else "single_device")
        specs = [replace(make_spec(seed=seed), placement=placement) for seed in range(jobs)]
        executor = LocalExecutor(RunOptions(tmp_path, jobs=jobs))
        for spec in specs:
            executor.start(spec, RecordStore(tmp_path).checkpoint(spec))
        found = {}
        while len(found) < len(specs):
            found |= {spec.seed: record.error for spec, record in executor.wait(1.0)}
        return [found[seed] for seed in range(jobs)]

    return carry_out


def test_runs_at_a_time_are_spread_over_the_gpus(gpus, used):
    gpus("A", "A")
    assert used(jobs=2) == ["0", "1"]
    assert used(jobs=4) == ["0", "1", "0", "1"]
    assert used(jobs=1) == [""]


def test_runs_on_several_gpus_each_have_their_own(gpus, used):
    gpus("A", "A", "A", "A")
    assert used(jobs=2, devices=2) == ["0,1", "2,3"]


def test_runs_are_not_spread_over_gpus_of_several_kinds(gpus, used):
    gpus("A", "B", "A")
    assert environment.equal_gpus() == [0, 2]
    assert used(jobs=2) == ["0", "2"]


def test_only_visible_gpus_are_used(gpus, used, monkeypatch):
    gpus("A", "A")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-3f")
    assert used(jobs=2) == ["5", "GPU-3f"]


@pytest.mark.parametrize(
    ("visible", "expected"), [(None, "1"), ("4,7", "7"), ("GPU-a,MIG-b", "MIG-b")]
)
def test_a_gpu_is_chosen_by_its_number(monkeypatch, visible, expected):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    config = cli.parse(["run", "--models=lenet", "--device=cuda:1"]).config
    assert os.environ["CUDA_VISIBLE_DEVICES"] == expected
    assert config.placement.device == "cuda"
    assert cli.parse(["study", "kernel_size", "--device=cuda:0"]).device == "cuda"


def test_a_gpu_that_is_not_visible_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    with pytest.raises(UsageError, match="no device cuda:1; CUDA_VISIBLE_DEVICES=4 has 1"):
        shell.select_device("cuda:1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda check_available: None)
    assert cli.main(["run", "--models=lenet", "--device=cuda:9"]) == 2
    message = "no device 'cuda' on this machine with CUDA_VISIBLE_DEVICES=9; there is cpu"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cuda:", "cuda:x", "cuda:-1", "cpu:1", "mps:0"])
def test_no_other_device_has_a_number(name, capsys):
    assert cli.main(["run", "--models=lenet", f"--device={name}"]) == 2
    assert f"unknown device '{name}'" in capsys.readouterr().err


def test_ray_chooses_its_gpus_itself(capsys):
    command = ["run", "--models=lenet", "--device=cuda:1", "--executor=ray"]
    assert cli.main(command) == 2
    assert "Ray chooses the GPU of each run; say --device cuda" in capsys.readouterr().err
