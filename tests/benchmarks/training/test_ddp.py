"""DDP against a single process: gloo ranks on the CPU learn the same as one device."""

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch import nn

from benchmarks import run as runs
from benchmarks.errors import UsageError
from benchmarks.execution import local
from benchmarks.execution.sweep import sweep
from benchmarks.machine import environment
from benchmarks.measurement import calibration, loop_timings
from benchmarks.planning.plan import RunOptions
from benchmarks.planning.sweep_config import DDP, Placement, SweepConfig
from benchmarks.records.artifacts import read_predictions
from benchmarks.records.record import DIVERGED, OK
from benchmarks.records.store import RecordStore
from benchmarks.training import ddp
from benchmarks.training.sync_batch_norm import SyncBatchNorm
from lit_models import ModelError
from lit_models.train_scores import TrainScores
from tests.runs import flat

NORMED = f"{__name__}:normed"


def normed(in_channels, num_classes):
    """A net with BatchNorm, over maps of each rank's examples."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(128, num_classes),
    )


def on_ranks(spec, devices):
    return replace(spec, placement=Placement("cpu", devices, strategy=DDP))


run_here = local._run


def run_and_keep_weights(folder, sender, spec, *args):
    """The process of a run, whose ranks save their weights in a folder."""
    digest = runs.weights.digest

    def keep(net):
        torch.save(net.state_dict(), folder / f"{spec.key}-{ddp.rank()}.pt")
        return digest(net)

    runs.weights.digest = keep
    loop_timings.ROUNDS, calibration.SECONDS = 1, 0.0
    TrainScores.CAPACITY = 20  # so that the buffers of ranks are full after different steps
    run_here(sender, spec, *args)


@pytest.fixture(scope="module")
def run(image_folder, tmp_path_factory):
    """Carries out a run, once for all tests; returns its record, and the weights of its ranks."""
    folder = tmp_path_factory.mktemp("runs")

    def run(spec, **options):
        executor = local.LocalExecutor(RunOptions(folder, **options))
        store = RecordStore(folder / f"{options}")
        (record,) = sweep([spec], store, executor)
        paths = sorted(folder.glob(f"{spec.key}-*.pt"))
        found = flat(record)
        predictions = read_predictions(store.root / spec.folder, record)
        found.predicted = predictions.predicted.tolist() if predictions else None
        found.evaluations = [point["accuracy"] for point in record.evaluations]
        return found, [torch.load(path) for path in paths]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIFAR10_IMAGES", str(image_folder))
        patch.setattr(local, "_run", partial(run_and_keep_weights, folder))
        yield run


@pytest.fixture
def spec_of(make_spec):
    def make(model="lenet", batch_size=16, examples=80):
        fields = {"batch_size": batch_size, "train_examples": examples, "evaluate_every": 0.5}
        return make_spec(model, augmentation="[flip,crop]", **fields)

    return make


def spare(in_channels, num_classes):
    """A net with a layer that is never called."""
    net = normed(in_channels, num_classes)
    net[2].unused = nn.Linear(8, 8)
    return net


# Epochs end in batches of 16, 2 and 2, so that one rank may have no example; tests in batches of 8
# and 1.
@pytest.mark.parametrize(
    ("model", "devices", "batch_size", "examples"),
    [
        ("lenet", 2, 16, 80),
        (NORMED, 2, 13, 67),
        (NORMED, 3, 13, 28),
        (f"{__name__}:spare", 2, 16, 80),
    ],
)
def test_ranks_learn_the_same_as_one_device(spec_of, run, model, devices, batch_size, examples):
    spec = spec_of(model, batch_size, examples)
    (alone, (expected,)), (together, weights) = run(spec), run(on_ranks(spec, devices))
    assert (alone.status, together.status) == (OK, OK)
    assert together.test_accuracy == alone.test_accuracy
    assert together.predictions_digest
    assert together.predicted == alone.predicted
    assert together.evaluations == alone.evaluations
    for one, other in zip(alone.history, together.history, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert other["train_accuracy"] == one["train_accuracy"]
    assert len(weights) == devices
    for state in weights:
        torch.testing.assert_close(state, expected, rtol=1e-4, atol=1e-5)
        for name, tensor in state.items():
            assert torch.equal(tensor, weights[0][name])


def test_a_rank_may_have_nothing_to_evaluate(make_spec, run):
    fields = {"epochs": 1, "train_examples": 32, "validation_examples": 1, "evaluate_every": 1}
    record, _ = run(on_ranks(make_spec(**fields), 2))
    assert record.status == OK
    assert record.evaluated_examples == len(record.predicted) == 1


def test_the_record_says_how_the_run_was_placed(spec_of, run):
    spec = spec_of()
    assert on_ranks(spec, 2).key != spec.key
    (alone, _), (together, _) = run(spec), run(on_ranks(spec, 2))
    assert (together.devices, together.num_nodes, together.strategy) == (2, 1, "ddp")
    assert (alone.devices, alone.num_nodes, alone.strategy) == (1, 1, "single_device")
    threads = max(1, torch.get_num_threads() // 2)
    assert together.device.startswith("2 x ")
    assert together.device.endswith(f", {threads} threads")
    assert together.train_flops == alone.train_flops
    assert together.train_examples == alone.train_examples == 80


def test_ddp_on_one_device_is_the_same_to_the_bit(spec_of, run):
    spec = spec_of()
    (alone, _), (together, _) = run(spec), run(on_ranks(spec, 1))
    assert together.strategy == "ddp"
    assert together.weights_digest == alone.weights_digest


def test_divergence_is_named(make_spec, run):
    spec = make_spec(optimizer="sgd", learning_rate=1e30, clip_norm="null", schedule="constant")
    record, _ = run(on_ranks(spec, 2))
    assert record.status == DIVERGED
    assert "at step" in record.error


def test_saving_changes_nothing(spec_of, run):
    spec = on_ranks(spec_of(NORMED, 13, 67), 2)
    (plain, _), (saved, _) = run(spec), run(spec, checkpoint_seconds=0.0)
    assert saved.weights_digest == plain.weights_digest
    assert saved.history == plain.history


def test_what_ranks_cannot_train_is_refused(make_spec, small_dataset):
    protocol = make_spec().protocol
    config = SweepConfig(models=("lenet",), dataset="cifar10", protocol=protocol)
    nine = replace(config, placement=Placement("cpu", 3, 3)).resolved()
    with pytest.raises(UsageError, match="lenet has batches of 16 examples, too few for 9 devices"):
        nine.check_data(small_dataset)
    with pytest.raises(UsageError, match="not on mps"):
        Placement("mps", strategy="ddp").resolved("ray")
    with pytest.raises(UsageError, match="cannot train a compiled net"):
        make_spec(compile="true", placement=Placement("cpu", 2))
    placement = Placement("cpu", 4, 2).resolved()
    assert (placement.strategy, placement.ranks) == (DDP, 8)


def test_more_devices_than_the_machine_has_are_refused(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    environment.check_devices("cuda", 2)
    environment.check_devices("cpu", 100)
    with pytest.raises(UsageError, match="4 devices asked for; this machine has 2 of cuda"):
        environment.check_devices("cuda", 4)


class Layer(nn.BatchNorm2d):
    """A subclass that might do more than normalise."""


def test_a_subclass_of_batch_norm_is_refused():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), Layer(2))
    with pytest.raises(ModelError, match="1, a Layer, cannot be shared"):
        SyncBatchNorm("cpu").apply(net)


def test_layers_are_converted_back():
    net = normed(3, 10)
    kinds, sync = [type(module) for module in net], SyncBatchNorm("cpu")
    assert [type(module) for module in sync.apply(net)] != kinds
    assert [type(module) for module in sync.revert(net)] == kinds


@pytest.mark.parametrize("momentum", [0.1, None])
def test_on_one_rank_the_layer_equals_batch_norm(momentum, monkeypatch):
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
