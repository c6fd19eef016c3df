"""Fixtures for the tests of nets and their analysis."""

from functools import cache

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
    """Makes a net from a function of images (N, 2, H, W) and a weight (2, 2, 3, 3)."""
    return Function


# Large siblings of other nets, too slow for the default tests
LARGE = {
    *("densenet121", "resnet101", "resnet101_option_c", "resnet152", "resnext50_32x4d"),
    *("vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "wide_resnet50_2"),
    *("alexnet_227", "unet_wide", *(f"efficientnet_b{scale}" for scale in range(1, 8))),
    *(f"{kind}{depth}" for kind in ("resnet", "plain") for depth in (44, 56, 110)),
    *("preact_resnet110",),
}


def pytest_generate_tests(metafunc):
    """Run tests that request `every_model` for each registered net; mark the large ones slow."""
    if "every_model" in metafunc.fixturenames:
        marks = {name: pytest.mark.slow if name in LARGE else () for name in lit_models.names()}
        params = [pytest.param(name, marks=mark) for name, mark in marks.items()]
        metafunc.parametrize("every_model", params, scope="module")


@pytest.fixture(scope="session")
def analysed():
    """Returns a net for the input of its published figures, its cost and its receptive field."""

    @cache
    def analyse(name):
        published = lit_models.entry(name).published or lit_models.Published("", 0)
        shape = {"in_channels": published.in_channels, "image_size": published.image_size}
        with torch.device("meta"):
            net = lit_models.build(name, num_classes=published.num_classes, **shape)
        return net, lit_models.cost(net, **shape), lit_models.receptive_field(net, **shape)

    return analyse
