import resource
import sys
import weakref
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.execution import local
from benchmarks.execution import sweep as sweeps
from benchmarks.execution.local import LocalExecutor
from benchmarks.measurement import loop_timings
from benchmarks.planning.plan import RunOptions
from benchmarks.records.record import FAILED, OK
from benchmarks.records.store import RecordStore
from benchmarks.training import out_of_memory, training
from benchmarks.training.checkpoint_file import CheckpointFile
from benchmarks.training.out_of_memory import is_out_of_memory
from tests.runs import train

CPU = torch.device("cpu")
MIB = 2**20


def raised(call):
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("no error")


def raise_error(error):
    raise error


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.empty(2**50),
        lambda: torch.empty(2**60),
        lambda: torch.ones(1).expand(2**50).contiguous(),
        lambda: torch.nn.Linear(2**30, 2**22),
        lambda: bytearray(2**60),
        lambda: raise_error(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")),
        lambda: raise_error(torch.cuda.OutOfMemoryError("CUDA out of memory")),
    ],
)
def test_a_refusal_of_memory_is_known(call):
    assert is_out_of_memory(raised(call))


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.ones(2, 3) @ torch.ones(2, 3),
        lambda: torch.ones(2).view(3),
        lambda: torch.empty(-1),
        lambda: torch.empty(2**62),  # no size at all: another net, not another machine, would do
        lambda: raise_error(RuntimeError("CUDA error: an illegal memory access was encountered")),
        lambda: raise_error(RuntimeError("the memory format is not known")),
        lambda: raise_error(ValueError("out of memory")),
        lambda: raise_error(OSError(28, "No space left on device")),
    ],
)
def test_nothing_else_is_taken_for_it(call):
    assert not is_out_of_memory(raised(call))


class Hungry(nn.Sequential):
    """A linear net that, in training, can take no more than some images at once."""

    def __init__(self, num_classes, most):
        super().__init__(nn.Flatten(), nn.Linear(3072, num_classes))
        self.most = most

    def forward(self, x):
        if self.training and torch.is_grad_enabled() and len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().forward(x)


class Greedy(Hungry):
    """A linear net that, in training, takes half a GiB an image, of which it makes no use."""

    def forward(self, x):
        if self.training:
            torch.empty(len(x), 512 * MIB, dtype=torch.uint8)
        return super().forward(x)


modest, hungry, insatiable, greedy = (
    partial(kind, most=most)
    for kind, most in ((Hungry, 99), (Hungry, 8), (Hungry, 0), (Greedy, 99))
)


@pytest.fixture
def make_hungry_spec(make_spec):
    def make(name, **fields):
        fields = {"batch_size": 32, "init": "default", "epochs": 2, **fields}
        return make_spec(f"{__name__}:{name}", **fields)

    return make


def test_a_batch_too_large_comes_in_micro_batches(make_hungry_spec, tmp_path, capsys):
    """The whole training is anew, and its numbers those of a machine with more memory."""
    record = train(make_hungry_spec("hungry"), tmp_path)
    assert (record.status, record.micro_batches, record.batch_size) == (OK, 4, 32)
    lines = capsys.readouterr().err.strip().splitlines()
    told = [line.rpartition("out of memory; ")[2] for line in lines if "out of memory" in line]
    assert told == [f"trained in micro-batches of {size}" for size in (16, 8)]
    whole = train(make_hungry_spec("modest"), tmp_path)
    assert whole.micro_batches == 1
    for ours, theirs in zip(record.history, whole.history, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert record.test_accuracy == pytest.approx(whole.test_accuracy, abs=1 / 40)
    assert record.train_flops == whole.train_flops


def test_a_checkpoint_of_micro_batches_goes_on_in_as_many(make_hungry_spec, tmp_path, monkeypatch):
    """To the bit, and without memory having to run out once more."""
    spec, path = make_hungry_spec("hungry"), tmp_path / "saved.ckpt"
    whole = train(spec, tmp_path)
    save = CheckpointFile.save_checkpoint

    def save_and_end(*args, **options):
        save(*args, **options)
        raise RuntimeError("cut after an epoch")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckpointFile, "save_checkpoint", save_and_end)
        with pytest.raises(RuntimeError, match="cut after an epoch"):
            train(spec, tmp_path, checkpoint=path)
    file = CheckpointFile(path)
    assert file.find()["run"]["micro_batch_size"] == 8
    attempts = []
    monkeypatch.setattr(out_of_memory, "free", attempts.append)
    resumed = train(spec, tmp_path, checkpoint=path)
    assert not attempts
    assert (resumed.resumed, resumed.micro_batches) == (1, 4)
    assert resumed.weights_digest == whole.weights_digest
    assert resumed.history == whole.history


def test_memory_that_runs_out_while_the_net_is_timed(make_hungry_spec, tmp_path, monkeypatch):
    """The training starts anew, when nothing of the first is there any more."""
    measure, free, nets = loop_timings.measure, out_of_memory.free, []

    def measure_parts(training, *args):
        nets.append(weakref.ref(training.net))
        if training.micro_batch_size is None:
            raise torch.OutOfMemoryError
        return measure(training, *args)

    def free_all(device):
        free(device)
        assert nets[0]() is None

    monkeypatch.setattr(loop_timings, "measure", measure_parts)
    monkeypatch.setattr(out_of_memory, "free", free_all)
    record = train(make_hungry_spec("modest"), tmp_path)
    assert (record.status, record.micro_batches, len(nets)) == (OK, 2, 2)


def test_what_an_optimizer_keeps_is_let_go_with_it(make_hungry_spec, tmp_path, monkeypatch):
    """Of a large net it is twice the weights: once, not as often as the net is trained or timed."""
    make, found = training.make_optimizer, []

    def make_alone(*args, **kwargs):
        assert not any(reference() for reference in found)
        optimizer = make(*args, **kwargs)
        found.append(weakref.ref(optimizer))
        return optimizer

    monkeypatch.setattr(training, "make_optimizer", make_alone)
    train(make_hungry_spec("modest"), tmp_path)
    assert len(found) > loop_timings.ROUNDS * 3


def test_a_net_that_takes_not_even_one_image_fails(make_hungry_spec, tmp_path):
    store, spec = RecordStore(tmp_path), make_hungry_spec("insatiable")
    (record,) = sweeps.sweep([spec], store, LocalExecutor(RunOptions(tmp_path)))
    assert record.status == FAILED
    assert "CUDA out of memory" in record.error


run_here = local._run


def limited(*args):
    """A run that may take 3 GiB more than its process has at its start."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 3 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    run_here(*args)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of Linux")
def test_memory_that_truly_runs_out(make_hungry_spec, tmp_path, monkeypatch):
    """8 images take 4 GiB and 4 take 2, the limit being 3 and what the process needs besides."""
    monkeypatch.setattr(local, "_run", limited)
    spec = make_hungry_spec("greedy", batch_size=8)
    (record,) = sweeps.sweep([spec], RecordStore(tmp_path), LocalExecutor(RunOptions(tmp_path)))
    assert (record.status, record.error) == (OK, None)
    assert record.resources.micro_batches in (2, 4)
