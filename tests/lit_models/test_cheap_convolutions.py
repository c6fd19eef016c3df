from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lit_models.cheap_convolutions import (
    KINDS,
    bottleneck_conv,
    depthwise_separable_conv,
    grouped_conv,
    make_conv,
    weights,
)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "kernel_size", "expected"),
    [(3, 6, 3, 168), (6, 4, 3, 220), (4, 16, 5, 1616), (16, 3, 5, 1203), (4, 8, 3, 296)],
)
def test_full_convolutions(in_channels, out_channels, kernel_size, expected):
    assert count(grouped_conv(in_channels, out_channels, kernel_size, groups=1)) == expected


def test_groups_divide_the_weights():
    assert count(grouped_conv(4, 8, 3, groups=2)) == 144 + 8
    assert count(grouped_conv(9, 6, 3, groups=3, bias=False)) * 3 == 9 * 6 * 9


@pytest.mark.parametrize(("shape", "groups"), [((4, 8), 8), ((4, 6), 4), ((4, 8), 0)])
def test_groups_that_do_not_divide_both_are_refused(shape, groups):
    with pytest.raises(ValueError, match="do not divide both"):
        grouped_conv(*shape, 3, groups)


def test_groups_are_independent():
    conv = grouped_conv(4, 4, 3, groups=2, bias=False)
    x = torch.randn(1, 4, 5, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(conv(x)[:, :2].sum(), x)
    assert gradient[:, :2].any()
    assert not gradient[:, 2:].any()


def test_depthwise_separable_convolutions_cost_the_published_fraction():
    separable = depthwise_separable_conv(4, 8, 3, bias=False)
    assert [count(layer) for layer in separable] == [36, 32]
    full = count(nn.Conv2d(4, 8, 3, bias=False))
    assert Fraction(count(separable), full) == Fraction(1, 8) + Fraction(1, 9)


def test_depthwise_convolution_may_widen():
    """72 weights of a depthwise convolution from 4 to 8 channels and 64 of a 1x1, out of 288."""
    depthwise, pointwise = (
        grouped_conv(4, 8, 3, groups=4, bias=False),
        nn.Conv2d(8, 8, 1, bias=False),
    )
    assert (count(depthwise), count(pointwise)) == (72, 64)
    full = count(grouped_conv(4, 8, 3, groups=1, bias=False))
    assert Fraction(count(depthwise) + count(pointwise), full) == Fraction(1, 4) + Fraction(8, 36)


def test_a_bottleneck_is_cheaper_than_a_full_convolution():
    assert count(grouped_conv(256, 256, 3, groups=1)) == 590_080
    bottleneck = bottleneck_conv(256, 32, 256, 3)
    assert [count(layer) for layer in bottleneck if count(layer)] == [8_224, 9_248, 8_448]
    assert count(bottleneck) == 25_920


@pytest.mark.parametrize(("few", "many"), [((3, 3), (5,)), ((3, 3, 3), (7,))], ids=["5x5", "7x7"])
def test_stacked_small_kernels_are_cheaper_than_one_of_the_same_field(few, many):
    weights = [
        sum(count(grouped_conv(64, 64, k, groups=1, bias=False)) for k in kernels)
        for kernels in (few, many)
    ]
    assert weights in ([73_728, 102_400], [110_592, 200_704])
    assert sum(k - 1 for k in few) == sum(k - 1 for k in many)


@pytest.mark.parametrize(
    "module",
    [
        grouped_conv(8, 12, 3, groups=4),
        depthwise_separable_conv(8, 12, 5),
        bottleneck_conv(8, 2, 12, 3),
    ],
    ids=["grouped", "depthwise separable", "bottleneck"],
)
def test_the_size_is_preserved(module):
    assert module(torch.randn(2, 8, 9, 7)).shape == (2, 12, 9, 7)


def test_a_linear_layer_is_a_convolution_over_the_whole_map():
    linear, conv = (
        nn.Linear(512 * 7 * 7, 4096, device="meta"),
        nn.Conv2d(512, 4096, 7, device="meta"),
    )
    assert count(linear) == count(conv) == 102_764_544


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.sampled_from(KINDS), st.integers(1, 24), st.integers(1, 24), st.sampled_from((1, 3, 5)))
def test_the_weights_of_every_kind_by_formula(kind, in_channels, out_channels, kernel_size):
    shape = (in_channels, out_channels, kernel_size)
    try:
        layer = make_conv(kind, *shape, bias=False)
    except ValueError:
        with pytest.raises(ValueError, match="do not divide both"):
            weights(kind, *shape)
        return
    assert weights(kind, *shape) == count(layer)
    assert layer(torch.zeros(1, in_channels, 5, 4)).shape == (1, out_channels, 5, 4)


def test_no_other_kind():
    with pytest.raises(ValueError, match="one of standard, groups2"):
        make_conv("dense", 4, 4, 3)
