import pytest
import torch
from torch import nn

import lit_models
from lit_models.cheap_convolutions import KINDS


def build(**options):
    with torch.device("meta"):
        return lit_models.build("convstack", in_channels=1, image_size=28, **options)


@pytest.mark.parametrize("kernel_size", [1, 3, 7])
def test_every_convolution_has_the_kernel_and_preserves_the_size(kernel_size):
    net = build(kernel_size=kernel_size)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert [m.kernel_size for m in convs] == [(kernel_size, kernel_size)] * 6
    assert net.features(torch.empty(2, 1, 28, 28, device="meta")).shape == (2, 64, 7, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_costs_no_more_than_the_standard_one(kind):
    kernels, standard = (
        lit_models.cost(build(convolution=each), 28).macs for each in (kind, "standard")
    )
    assert (kernels < standard) == (kind != "standard")


def test_width_and_kernel_size_trade_multiply_adds():
    """K^2 C D: a kernel three times as large takes a third of the channels."""
    wide, large = build(kernel_size=1, width=48), build(kernel_size=3, width=16)
    assert lit_models.cost(wide, 28).macs == pytest.approx(
        lit_models.cost(large, 28).macs, rel=0.02
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 4}, "kernel_size must be odd, not 4"),
        ({"convolution": "dense"}, "one of standard, groups2"),
        ({"convolution": "groups8", "width": 12}, "8 groups do not divide"),
    ],
)
def test_options_that_make_no_net_are_refused(options, message):
    with pytest.raises((ValueError, lit_models.ModelError), match=message):
        build(**options)
