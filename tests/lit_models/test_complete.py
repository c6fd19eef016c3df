"""Nets that people bring: whatever is a correct module works, or is refused in a true line."""

import sys

import pytest
import torch
from torch import nn

import lit_models
from benchmarks.training.initialisation import initialise

SHAPE = {"in_channels": 2, "num_classes": 5, "image_size": 12}

NETS = '''
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune


def head(channels, num_classes):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]


def weight_norm(in_channels, num_classes):
    conv = nn.utils.weight_norm(nn.Conv2d(in_channels, 4, 3))
    return nn.Sequential(conv, nn.ReLU(), *head(4, num_classes))


def spectral_norm(in_channels, num_classes):
    conv = nn.utils.spectral_norm(nn.Conv2d(in_channels, 4, 3))
    return nn.Sequential(conv, nn.ReLU(), *head(4, num_classes))


def parametrized(in_channels, num_classes):
    conv = parametrizations.weight_norm(nn.Conv2d(in_channels, 4, 3))
    other = parametrizations.spectral_norm(nn.Conv2d(4, 4, 3))
    third = parametrizations.orthogonal(nn.Linear(4, num_classes))
    return nn.Sequential(conv, nn.ReLU(), other, nn.ReLU(), *head(4, 4), third)


def pruned(in_channels, num_classes):
    conv = prune.random_unstructured(nn.Conv2d(in_channels, 4, 3), "weight", 0.5)
    return nn.Sequential(conv, nn.ReLU(), *head(4, num_classes))


def lazy(num_classes):
    layers = nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers, nn.LazyLinear(num_classes))


class LazyInTraining(nn.Module):
    auxiliary_weight = 0.3

    def __init__(self, num_classes):
        super().__init__()
        self.body, self.head = nn.LazyConv2d(4, 3), nn.LazyLinear(num_classes)
        self.auxiliary = nn.LazyLinear(num_classes)

    def forward(self, x):
        x = self.body(x).mean((2, 3))
        return (self.head(x), self.auxiliary(x)) if self.training else self.head(x)


def averaging(in_channels, num_classes):
    norm = nn.BatchNorm2d(4, momentum=None)
    return nn.Sequential(nn.Conv2d(in_channels, 4, [3, 3]), norm, nn.ReLU(), *head(4, num_classes))


class BuffersOnTheWay(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.head = nn.Linear(in_channels * 144, num_classes)

    def forward(self, x):
        if not hasattr(self, "window"):
            self.register_buffer("window", torch.hann_window(x.shape[-1]))
        return self.head((x * self.window).flatten(1))


class LayersOnTheWay(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.num_classes, self.head = num_classes, None

    def forward(self, x):
        x = x.flatten(1)
        if self.head is None:
            self.head = nn.Linear(x.shape[1], self.num_classes)
        return self.head(x)


class Features(nn.Module):
    """Its hook refers to the net itself, so a copy would fill the list of the original."""

    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.body = nn.Conv2d(in_channels, 4, 3)
        self.head = nn.Linear(4, num_classes)
        self.maps = []
        self.body.register_forward_hook(lambda module, inputs, output: self.maps.append(output))

    def forward(self, x):
        self.body(x)
        return self.head(self.maps.pop().mean((2, 3)))


class PlainTensors(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.mask, self.head = torch.ones(12, 12), nn.Linear(in_channels * 144, num_classes)

    def forward(self, x):
        noise = torch.zeros(len(x), 1, 1, 1)
        x = x if x.detach().std().item() > 0 else x + 1
        return self.head((x * self.mask + noise).flatten(1))


class Shared(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.first, self.conv = nn.Conv2d(in_channels, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Sequential(*head(4, num_classes))

    def forward(self, x):
        x = self.first(x)
        for _ in range(3):
            x = self.conv(x).relu()
        return self.head(x)


class Spare(Shared):
    def __init__(self, in_channels, num_classes):
        super().__init__(in_channels, num_classes)
        self.spare = nn.Linear(3, 3)


def never_called(num_classes):
    net = nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))
    net[0].unused = nn.LazyLinear(3)
    return net


def lazy_misfit(num_classes):
    return nn.Sequential(nn.LazyConv2d(4, 99), nn.Flatten(), nn.LazyLinear(num_classes))
'''

CORRECT = (
    *("weight_norm", "spectral_norm", "parametrized", "pruned", "lazy", "LazyInTraining"),
    *("averaging", "BuffersOnTheWay", "LayersOnTheWay", "Features", "PlainTensors", "Shared"),
    "Spare",
)


@pytest.fixture(autouse=True)
def peoples_nets(tmp_path, monkeypatch):
    (tmp_path / "peoples_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("peoples_nets", None)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("scheme", ["default", "xavier", "lsuv"])
@pytest.mark.parametrize("name", CORRECT)
def test_a_correct_net_is_analysed_initialised_and_trained(name, scheme):
    name = f"peoples_nets:{name}"
    lit_models.check(name, **SHAPE)
    torch.manual_seed(0)
    net = lit_models.build(name, **SHAPE)
    keys = [*net.state_dict()]
    cost = lit_models.cost(net, 12, 2)
    assert cost.macs > 0
    assert cost.parameters == sum(p.numel() for p in net.parameters())
    assert sum(layer.parameters for layer in cost.layers) <= cost.parameters
    images = torch.randn(16, 2, 12, 12)
    initialise(net, scheme, images)
    logits = net.train()(images)
    logits = logits[0] if isinstance(logits, tuple) else logits
    assert logits.isfinite().all()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    logits.square().sum().backward()
    optimizer.step()
    assert net.eval()(images).isfinite().all()
    assert [*net.state_dict()] == keys  # a checkpoint can be loaded into a net that is built anew


def test_equal_seeds_give_equal_lazy_weights():
    def weights():
        torch.manual_seed(3)
        return lit_models.build("peoples_nets:lazy", **SHAPE).state_dict()

    first, second = weights(), weights()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("never_called", "never calls 0.unused, a lazy layer"),
        ("lazy_misfit", "cannot take images of 2 x 12 x 12: "),
    ],
)
def test_a_lazy_net_that_does_not_fit_is_refused(name, reason):
    with pytest.raises(lit_models.ModelError, match=reason) as refusal:
        lit_models.check(f"peoples_nets:{name}", **SHAPE)
    assert "\n" not in str(refusal.value)


def test_building_leaves_the_mode_and_the_random_numbers_alone():
    torch.manual_seed(1)
    net = lit_models.build("peoples_nets:Shared", **SHAPE)
    drawn = torch.rand(3)
    torch.manual_seed(1)
    sys.modules["peoples_nets"].Shared(2, 5)
    assert torch.equal(torch.rand(3), drawn)
    assert all(module.training for module in net.modules())
    assert isinstance(net.first, nn.Conv2d)
