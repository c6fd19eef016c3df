from itertools import pairwise

import pytest
import torch
from torch import nn

import lit_models


@pytest.mark.parametrize(
    ("filters", "macs"),
    [
        (16, 113_942_208),
        (64, 169_188_096),
        (96, 206_018_688),
        (128, 242_849_280),
    ],
)
def test_cost_grows_with_the_filters_of_the_first_layer(filters, macs):
    with torch.device("meta"):
        net = lit_models.build("convnet", in_channels=3, image_size=32, first_layer_filters=filters)
    cost = lit_models.cost(net, 32, 3)
    assert cost.parameters == 3_484 * filters + 35_816_458
    assert cost.macs == macs


def test_dropout_precedes_linear_layers_and_never_affects_logits_directly():
    with torch.device("meta"):
        net = lit_models.build("convnet", image_size=17)
    layers = list(net.classifier)
    for layer, after in pairwise(layers):
        if isinstance(layer, nn.Dropout):
            assert isinstance(after, nn.Linear)
    assert isinstance(layers[-1], nn.Linear)
    assert sum(isinstance(layer, nn.Dropout) for layer in layers) == 2


@pytest.mark.parametrize("size", [17, 20, 31, 32])
@pytest.mark.parametrize(
    "option",
    [{"pooling": "average"}, {"pooling": "stride"}, {"pooling": "convolution"}, {"dilation": 3}],
)
def test_options_leave_the_size_of_the_maps(option, size):
    with torch.device("meta"):
        nets = [
            lit_models.build("convnet", image_size=size, narrowing=32, **given)
            for given in ({}, option)
        ]
        shapes = {net.features(torch.empty(2, 1, size, size)).shape for net in nets}
    assert len(shapes) == 1


@pytest.mark.parametrize(("dilation", "side"), [(1, 29), (2, 45), (4, 77)])
def test_dilation_enlarges_the_receptive_field_at_the_same_cost(dilation, side):
    with torch.device("meta"):
        net = lit_models.build("convnet", image_size=32, narrowing=32, dilation=dilation)
        plain = lit_models.build("convnet", image_size=32, narrowing=32)
    assert lit_models.receptive_field(net, 32, 1).size == side
    costs = [lit_models.cost(each, 32, 1) for each in (net, plain)]
    assert len({(cost.parameters, cost.macs) for cost in costs}) == 1


def test_an_average_takes_the_place_of_the_linear_layers():
    net = lit_models.build("convnet", image_size=32, head="average", narrowing=32).eval()
    assert sum(isinstance(m, nn.Linear) for m in net.modules()) == 1
    assert not any(isinstance(m, nn.Dropout) for m in net.modules())
    images = torch.randn(2, 1, 32, 32)
    maps = net.features(images)
    torch.testing.assert_close(net(images), net.classifier[-1](maps.mean((2, 3))))
