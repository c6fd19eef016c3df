import copy
import time

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from benchmarks.measurement import loops
from benchmarks.training.compilation import compile_net
from tests.runs import train


class Noise(nn.Module):
    """Counts its calls in a buffer that no state dict has, and changes an attribute."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()), persistent=False)
        self.is_new = True

    def forward(self, x):
        self.calls += 1
        self.is_new = False
        return x


class Net(nn.Sequential):
    """Dropout draws random numbers; batch normalisation keeps statistics."""

    def __init__(self, in_channels, num_classes):
        super().__init__(
            Noise(),
            nn.Conv2d(in_channels, 4, 3, stride=4),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            weight_norm(nn.Linear(4, num_classes)),
        )


@pytest.fixture
def without_a_compiler(monkeypatch):
    """Graphs are captured, guarded and differentiated as ever, but run by PyTorch's own kernels."""
    compile_in_place = nn.Module.compile
    torch.compiler.reset()

    def compile_net(net, mode=None, **options):
        compile_in_place(net, backend="aot_eager", **options)

    monkeypatch.setattr(nn.Module, "compile", compile_net)


def check_compiled(training):
    """Nothing that a training starts from has changed, and no step need be compiled any more."""
    net = training.net
    weights, random = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    assert compile_net(training) > 0
    assert net[0].calls == 0
    assert net[0].is_new
    assert net.state_dict().keys() == weights.keys()
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    assert torch.equal(torch.get_rng_state(), random)
    assert all(weight.grad is None for weight in net.parameters())
    with torch.compiler.set_stance("fail_on_recompile"):
        for loop in (loops.bare_loop, loops.trainer_loop, loops.d2l_clock_loop):
            assert loop(training, 6) > 0  # over the smaller last batch of an epoch


@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.usefixtures("without_a_compiler")
def test_to_compile_has_no_effect_on_the_training(make_training, precision, micro_batch_size):
    fields = {"batch_size": 30, "precision": precision}
    check_compiled(make_training(Net(3, 10), micro_batch_size, **fields))


@pytest.mark.usefixtures("without_a_compiler")
def test_the_time_of_the_compiler_is_in_no_other_figure(make_spec, tmp_path, monkeypatch):
    now, spent = time.perf_counter, 0.0

    def compile_for_hours(training):
        nonlocal spent
        seconds = compile_net(training)
        spent += 10_000.0
        return seconds + 10_000.0

    plain = train(make_spec(f"{__name__}:Net"), tmp_path)
    monkeypatch.setattr("benchmarks.training.preparation.compile_net", compile_for_hours)
    monkeypatch.setattr(time, "perf_counter", lambda: now() + spent)
    record = train(make_spec(f"{__name__}:Net", compile="true"), tmp_path)
    assert record.compile
    assert record.compile_seconds > 10_000
    assert record.fit_seconds < 5_000
    assert 75 / record.examples_per_sec < 5_000
    assert record.loss == pytest.approx(plain.loss, rel=1e-3)
    assert record.train_flops == plain.train_flops
    assert record.weights_digest


@pytest.mark.slow
def test_the_real_compiler(make_training):
    torch.compiler.reset()
    check_compiled(make_training(Net(3, 10)))
