import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

import lit_models
from lit_models.analysis.cost import training_memory


class Functional(nn.Module):
    """A convolution without a module."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 3, 3, 3))

    def forward(self, x):
        return F.conv2d(x, self.weight, padding=1)


def test_functional_calls_count():
    assert lit_models.cost(Functional(), 10, in_channels=3).macs == 8 * 3 * 9 * 100


def test_bias_normalisation_and_pooling_do_not_count():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    cost = lit_models.cost(net, 10)
    assert cost.macs == 4 * 9 * 64
    assert cost.parameters == 4 * 9 + 4 + 8
    assert [layer.output_shape for layer in cost.layers][-1] == (4, 4, 4)


@pytest.mark.parametrize("name", lit_models.names())
def test_layers_add_up_to_the_totals(name, analysed):
    net, cost, _ = analysed(name)
    assert sum(layer.macs for layer in cost.layers) == cost.macs
    # Costs are those of eval mode, which skips auxiliary classifiers.
    auxiliary = sum(p.numel() for key, p in net.named_parameters() if "auxiliary" in key)
    assert sum(layer.parameters for layer in cost.layers) + auxiliary == cost.parameters


def test_training_memory_is_that_of_saved_tensors():
    """The image for the convolution; the output of ReLU once, for ReLU and the linear layer."""
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    assert training_memory(net, 8) == (64 + 256) * 4


def test_training_memory_excludes_batch_statistics():
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
    assert training_memory(net, 8) == (64 + 256) * 4


def test_layers_have_kernel_size_and_stride():
    net = nn.Sequential(nn.Conv2d(1, 4, (3, 5), stride=2), nn.MaxPool2d(2), nn.ReLU())
    windows = [(layer.kernel_size, layer.stride) for layer in lit_models.cost(net, 16).layers]
    assert windows == [((3, 5), (2, 2)), ((2, 2), (2, 2)), (None, None)]


def test_the_net_is_unchanged():
    net = lit_models.build("resnet18", image_size=32).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    lit_models.cost(net, 32)
    assert net.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_a_layer_called_three_times_is_one_row():
    conv = nn.Conv2d(4, 4, 3, padding=1)
    cost = lit_models.cost(nn.Sequential(conv, conv, nn.ReLU(), conv), 8, in_channels=4)
    row, relu = cost.layers
    assert (row.calls, row.parameters, row.macs) == (3, 148, 3 * 4 * 4 * 9 * 64)
    assert row.activations == 3 * 4 * 64
    assert relu.calls == 1
    assert cost.macs == row.macs


class Padded(nn.Conv2d):
    """A convolution with a layer inside, as the ports of TensorFlow's nets have it."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.pad = nn.ZeroPad2d(1)

    def forward(self, x):
        return super().forward(self.pad(x))


def test_a_convolution_that_holds_a_padding_layer_is_one_row():
    net = nn.Sequential(Padded(1, 4, 3), nn.ReLU())
    cost = lit_models.cost(net, 6)
    assert [(row.name, row.parameters, row.macs) for row in cost.layers] == [
        ("0", 40, 4 * 9 * 36),
        ("1", 0, 0),
    ]
    assert lit_models.receptive_field(net, 6).size == 3


def test_a_weight_that_two_layers_share_counts_once():
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 9), nn.Linear(9, 9))
    net[2].weight = net[1].weight
    cost = lit_models.cost(net, 3)
    assert [layer.parameters for layer in cost.layers] == [0, 90, 9]
    assert cost.parameters == 99


def test_a_kernel_given_as_a_list():
    net = nn.Sequential(nn.Conv2d(1, 2, [3, 5], stride=[1, 2]), nn.MaxPool2d([2, 2]))
    windows = [(layer.kernel_size, layer.stride) for layer in lit_models.cost(net, 16).layers]
    assert windows == [((3, 5), (1, 2)), ((2, 2), (2, 2))]
    assert lit_models.receptive_field(net, 16).size == (4, 7)


@pytest.mark.parametrize(
    "normalise",
    [
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_layer_whose_weight_is_computed_is_one_row(normalise):
    net = nn.Sequential(normalise(nn.Conv2d(1, 4, 3)), nn.Flatten(), nn.Linear(64, 10))
    before = {key: value.clone() for key, value in net.state_dict().items()}
    attributes = set(vars(net[0]))
    cost = lit_models.cost(net, 6)
    training_memory(net, 6)
    assert [layer.name for layer in cost.layers] == ["0", "1", "2"]
    assert cost.layers[0].macs >= 4 * 9 * 16
    assert sum(layer.parameters for layer in cost.layers) == cost.parameters
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert set(vars(net[0])) == attributes
    assert net(torch.rand(2, 1, 6, 6)).isfinite().all()


class ReadsBack(nn.Module):
    """Nothing here can run on the meta device."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.BatchNorm2d(1, momentum=None), nn.Linear(36, 10)
        self.mask = torch.ones(6, 6)

    def forward(self, x):
        x = self.norm(x) if x.mean().item() > 0 else x
        return self.linear((x * self.mask + torch.arange(6.0)).flatten(1))


def test_a_net_that_reads_values_back_runs_where_it_is():
    net = ReadsBack().train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    state = torch.get_rng_state()
    assert lit_models.cost(net, 6).macs == 360
    assert training_memory(net, 6) > 36 * 4
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


class Remembers(nn.Module):
    """Keeps what it made in its first forward pass, in an attribute, a list and a buffer."""

    def __init__(self):
        super().__init__()
        self.linear, self.scale, self.seen = nn.Linear(36, 10), None, []

    def forward(self, x):
        if self.scale is None:
            self.scale = x.new_ones(36)
            self.register_buffer("shift", x.new_zeros(36))
        self.seen.append(len(x))
        return self.linear(x.flatten(1) * self.scale + self.shift)


def test_nothing_that_a_net_keeps_remains():
    net = Remembers()
    lit_models.cost(net, 6)
    assert net.scale is None
    assert net.seen == []
    assert not hasattr(net, "shift")
    assert net(torch.rand(2, 1, 6, 6)).shape == (2, 10)
