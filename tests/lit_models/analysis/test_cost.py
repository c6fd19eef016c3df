import pytest
import torch
from torch import nn
from torch.nn import functional as F

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
