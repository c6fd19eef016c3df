import pytest
import torch
from torch import nn

import lit_models


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.rand(2, 2, 3, 3))

    def forward(self, x):
        return self.function(x, self.weight)


@pytest.fixture
def as_net():
    """Makes a net of a function of images (N, 2, H, W) and a weight (2, 2, 3, 3)."""
    return Function


# Large siblings of other nets: what takes arithmetic takes them minutes together.
LARGE = {
    *("densenet121", "resnet101", "resnet101_option_c", "resnet152", "resnext50_32x4d"),
    *("vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "wide_resnet50_2"),
    *("alexnet_227", "unet_wide", *(f"efficientnet_b{scale}" for scale in range(1, 8))),
}


def pytest_generate_tests(metafunc):
    """Tests that ask for `every_model` are run for each; large ones when slow tests are."""
    if "every_model" in metafunc.fixturenames:
        marks = {name: pytest.mark.slow if name in LARGE else () for name in lit_models.names()}
        params = [pytest.param(name, marks=mark) for name, mark in marks.items()]
        metafunc.parametrize("every_model", params, scope="module")
