"""A run on several devices is that on one: gloo processes on the CPU against a single process."""

import dataclasses
import os
from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch import nn

from benchmarks.errors import UsageError
from benchmarks.execution import local
from benchmarks.execution.sweep import sweep
from benchmarks.machine import environment
from benchmarks.measurement import calibration, loop_timings
from benchmarks.planning.plan import DDP, plan
from benchmarks.records.record import DIVERGED, FAILED, OK
from benchmarks.records.store import RecordStore
from benchmarks.training.callbacks import checkpoints
from benchmarks.training.sync_batch_norm import SyncBatchNorm
from lit_models import ModelError
from lit_models.train_scores import TrainScores

NORMED = f"{__name__}:normed"


def normed(in_channels, num_classes):
    """A net with BatchNorm over maps, and over features."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(128, num_classes),
    )


def shared(spec, devices):
    return dataclasses.replace(spec, devices=devices, strategy=DDP)


run_here = local._run


def run_and_keep_weights(folder, spec, *args):
    """What a process of a run does, whose ranks leave their weights in a folder."""
    digest = checkpoints.weights_digest

    def keep(net):
        torch.save(
            net.state_dict(),
            folder / f"{spec.placement.ranks}-{os.environ.get('LOCAL_RANK', 0)}.pt",
        )
        return digest(net)

    checkpoints.weights_digest = keep
    loop_timings.ROUNDS, calibration.SECONDS = 1, 0.0
    TrainScores.CAPACITY = 20  # so that ranks have added up more batches, or less
    run_here(spec, *args)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs specs, each in processes of its own; returns their records and the weights left."""

    def run(*specs):
        monkeypatch.setattr(local, "_run", partial(run_and_keep_weights, tmp_path))
        executor = local.LocalExecutor(tmp_path)
        records = sweep(list(specs), RecordStore(tmp_path), executor, force=False)
        weights = {path.stem: torch.load(path) for path in tmp_path.glob("*.pt")}
        return records, weights

    return run


# Epochs end in batches of 16, 2, 1 and 1; tests in batches of 8 and 1. Where fewer examples than
# ranks are left, some ranks have none.
@pytest.mark.parametrize("model", ["lenet", NORMED])
@pytest.mark.parametrize(
    ("devices", "batch_size", "examples"), [(2, 16, 80), (2, 13, 67), (2, 13, 66), (3, 13, 79)]
)
def test_it_learns_and_measures_the_same(make_spec, run, model, devices, batch_size, examples):
    spec = make_spec(
        model, batch_size=batch_size, train_examples=examples, augmentation="[flip,crop]"
    )
    (alone, together), weights = run(spec, shared(spec, devices))
    assert (alone.status, together.status) == (OK, OK)
    assert together.test_accuracy == alone.test_accuracy
    for one, other in zip(alone.history, together.history, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert other["train_accuracy"] == one["train_accuracy"]
    expected = weights.pop("1-0")
    assert len(weights) == devices
    for state in weights.values():
        torch.testing.assert_close(state, expected, rtol=1e-4, atol=1e-5)
        for name, tensor in state.items():
            assert torch.equal(tensor, weights[f"{devices}-0"][name])


def test_its_record_is_one_and_says_how_it_was_run(make_spec, run, tmp_path):
    alone = make_spec()
    together = shared(alone, 2)
    assert together.key != alone.key
    first, second = run(alone, together)[0]
    assert len(list(tmp_path.rglob("*.json"))) == 2
    assert (second.devices, second.num_nodes, second.strategy) == (2, 1, "ddp")
    assert (first.devices, first.num_nodes, first.strategy) == (1, 1, "single_device")
    threads = max(1, torch.get_num_threads() // 2)
    assert second.device.startswith("2 x ")
    assert second.device.endswith(f", {threads} threads")
    assert second.train_flops == first.train_flops
    assert second.train_examples == first.train_examples == 80


def test_of_one_device_ddp_is_the_same_to_the_bit(make_spec, run):
    spec = make_spec()
    alone, together = run(spec, shared(spec, 1))[0]
    assert together.strategy == "ddp"
    assert together.weights_digest == alone.weights_digest


def test_divergence_is_named(make_spec, run):
    spec = make_spec(optimizer="sgd", learning_rate=1e30, clip_norm="null", schedule="constant")
    ((record,), _) = run(shared(spec, 2))
    assert record.status == DIVERGED
    assert "at step" in record.error


def fails(in_channels, num_classes):
    """A net that only one rank cannot run."""

    class Fails(nn.Linear):
        def forward(self, x):
            if os.environ.get("LOCAL_RANK") == "1" and self.training and dist.is_initialized():
                raise KeyError("rank 1 alone")
            return super().forward(x.mean((2, 3)))

    return Fails(in_channels, num_classes)


def test_the_error_of_one_rank_ends_the_run(make_spec, run):
    ((record,), _) = run(shared(make_spec(f"{__name__}:fails", init="default"), 2))
    assert record.status == FAILED
    assert "KeyError: 'rank 1 alone'" in record.error


def test_saving_changes_nothing(make_spec, run, tmp_path):
    spec = shared(make_spec(NORMED), 2)
    ((plain,), _) = run(spec)
    executor = local.LocalExecutor(tmp_path, checkpoint_seconds=0.0)
    (saved,) = sweep([spec], RecordStore(tmp_path / "saved"), executor)
    assert saved.weights_digest == plain.weights_digest
    assert saved.history == plain.history


def test_batches_that_cannot_be_shared_are_refused(make_spec, small_dataset):
    protocol = make_spec().protocol
    arguments = ({"lenet": protocol}, small_dataset, protocol, "small", [0])
    with pytest.raises(UsageError, match="lenet has batches of 16 examples, too few for 9 devices"):
        plan(*arguments, "cpu", devices=3, num_nodes=3)
    with pytest.raises(UsageError, match="not on mps"):
        plan(*arguments, "mps", strategy="ddp")
    compiled = make_spec(compile="true").protocol
    with pytest.raises(UsageError, match="cannot train a compiled net"):
        plan({"lenet": compiled}, *arguments[1:], "cpu", devices=2)
    (spec,) = plan(*arguments, "cpu", devices=4, num_nodes=2)
    assert (spec.placement.strategy, spec.placement.ranks) == (DDP, 8)


def test_more_devices_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    environment.check_devices("cuda", 2)
    environment.check_devices("cpu", 100)
    with pytest.raises(UsageError, match="4 devices asked for; this machine has 2 of cuda"):
        environment.check_devices("cuda", 4)


class Layer(nn.BatchNorm2d):
    """Might do anything besides."""


def test_a_layer_that_does_more_than_normalise_is_refused():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), Layer(2))
    with pytest.raises(ModelError, match="1, a Layer, cannot be shared"):
        SyncBatchNorm("cpu").apply(net)


def test_layers_are_themselves_again():
    net = normed(3, 10)
    kinds, sync = [type(module) for module in net], SyncBatchNorm("cpu")
    assert [type(module) for module in sync.apply(net)] != kinds
    assert [type(module) for module in sync.revert(net)] == kinds


@pytest.mark.parametrize("momentum", [0.1, None])
def test_of_one_rank_the_layer_is_batch_norm(momentum, monkeypatch):
    monkeypatch.setattr(dist, "all_reduce", lambda tensor: None)
    net, inputs = nn.BatchNorm2d(3, momentum=momentum).double(), torch.randn(2, 4, 3, 5, 5).double()
    other = nn.BatchNorm2d(3, momentum=momentum).double()
    SyncBatchNorm("cpu").apply(other)
    for x in inputs:
        ours, theirs = (x.clone().requires_grad_() for _ in range(2))
        factors = torch.randn(4, 3, 5, 5)
        (other(ours) * factors).sum().backward()
        (net(theirs) * factors).sum().backward()
        torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(other.state_dict(), net.state_dict())
    for mine, its in zip(other.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad)
    torch.testing.assert_close(other.eval()(x), net.eval()(x))
