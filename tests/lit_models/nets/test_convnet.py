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
