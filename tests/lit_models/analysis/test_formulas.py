"""The formulas against PyTorch's own layers, over random parameters, valid and not."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from lit_models.analysis.cost import cost
from lit_models.analysis.formulas import (
    conv_macs,
    conv_parameters,
    conv_size,
    pool_size,
    transposed_conv_size,
)

small, padding = st.integers(1, 5), st.integers(0, 4)
quick = settings(deadline=None, max_examples=150, derandomize=True)


def same(formula, layer, size):
    """Both give the same size, or both refuse."""
    try:
        expected = layer(torch.zeros(1, 1, size, 1)).shape[2]
    except RuntimeError:
        expected = None
    try:
        assert formula() == expected
    except ValueError:
        assert expected is None


@quick
@given(st.integers(1, 20), small, small, padding, small)
def test_size_of_a_convolution(size, k, stride, pad, dilation):
    options = {"stride": stride, "padding": pad, "dilation": dilation}
    pairs = {"stride": (stride, 1), "padding": (pad, 0), "dilation": (dilation, 1)}
    weight = torch.zeros(1, 1, k, 1)
    same(lambda: conv_size(size, k, **options), lambda x: F.conv2d(x, weight, **pairs), size)


@quick
@given(st.integers(1, 20), small, small, padding, small, st.integers(0, 5))
def test_size_of_a_transposed_convolution(size, k, stride, pad, dilation, extra):
    options = {"stride": stride, "padding": pad, "dilation": dilation, "output_padding": extra}
    pairs = {"stride": (stride, 1), "padding": (pad, 0), "dilation": (dilation, 1)}
    pairs["output_padding"] = (extra, 0)
    weight = torch.zeros(1, 1, k, 1)
    same(
        lambda: transposed_conv_size(size, k, **options),
        lambda x: F.conv_transpose2d(x, weight, **pairs),
        size,
    )


@quick
@example(33, 3, 2, 0, True)  # 17, one more than with padding 1
@given(st.integers(1, 20), small, small, padding, st.booleans())
def test_size_of_a_pool(size, k, stride, pad, ceil_mode):
    options = {"stride": stride, "padding": pad, "ceil_mode": ceil_mode}
    pairs = {"stride": (stride, 1), "padding": (pad, 0), "ceil_mode": ceil_mode}
    same(lambda: pool_size(size, k, **options), lambda x: F.avg_pool2d(x, (k, 1), **pairs), size)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_parameters_and_multiply_adds(in_channels, out_channels, k, groups, bias):
    try:
        layer = nn.Conv2d(in_channels, out_channels, k, groups=groups, bias=bias)
    except ValueError:
        with pytest.raises(ValueError, match="do not divide both"):
            conv_parameters(in_channels, out_channels, k, groups=groups)
        return
    counted, shape = cost(layer, 6, in_channels), (in_channels, out_channels, k)
    assert conv_parameters(*shape, groups=groups, bias=bias) == counted.parameters
    assert conv_macs(*shape, groups=groups, output_size=conv_size(6, k)) == counted.macs


@pytest.mark.parametrize(
    ("formula", "arguments", "rule"),
    [
        (conv_size, {"size": 3, "kernel_size": 3, "dilation": 2}, "spans 5 px, more than"),
        (conv_size, {"size": 3, "kernel_size": 3, "stride": 0}, "stride must be at least 1"),
        (conv_size, {"size": 3, "kernel_size": 3, "padding": -1}, "padding must not be negative"),
        (pool_size, {"size": 8, "kernel_size": 2, "padding": 2}, "more than half of the pool"),
        (pool_size, {"size": 1, "kernel_size": 5, "ceil_mode": True, "stride": 1}, "no window"),
        (
            transposed_conv_size,
            {"size": 4, "kernel_size": 3, "stride": 2, "output_padding": 2},
            "neither below the stride 2",
        ),
        (transposed_conv_size, {"size": 1, "kernel_size": 1, "padding": 1}, "the whole output"),
        (
            conv_parameters,
            {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "groups": 4},
            "2",
        ),
    ],
)
def test_the_message_says_which_rule_was_broken(formula, arguments, rule):
    with pytest.raises(ValueError, match=rule):
        formula(**arguments)
