"""Convolutions that cost less than a full convolution between the same channels.

A K x K convolution from C to D channels without biases has K^2 C D parameters, and as many
multiply-adds per output pixel. In G groups: 1/G of that. Depthwise separable: K^2 C + C D, a
fraction of 1/D + 1/K^2. As a bottleneck of R channels: C R + K^2 R^2 + R D.
"""

from typing import Literal, get_args

from torch import nn

from lit_models.analysis.formulas import (
    bottleneck_parameters,
    check_groups,
    conv_parameters,
    separable_parameters,
)

Kind = Literal["standard", "groups2", "groups4", "groups8", "depthwise", "separable", "bottleneck"]
KINDS: tuple[Kind, ...] = get_args(Kind)
REDUCTION = 4  # of the channels in a bottleneck, as in ResNet-50


def make_conv(
    kind: Kind, in_channels: int, out_channels: int, kernel_size: int, bias: bool = True
) -> nn.Module:
    """A convolution of this kind, which preserves the size of the map; `kernel_size` odd.

    A bottleneck has a quarter of the output channels inside.

    Raises:
        ValueError: no such kind, or groups that do not divide the channels.
    """
    if kind == "separable":
        return depthwise_separable_conv(in_channels, out_channels, kernel_size, bias)
    if kind == "bottleneck":
        inner = max(1, out_channels // REDUCTION)
        return bottleneck_conv(in_channels, inner, out_channels, kernel_size, bias)
    return grouped_conv(in_channels, out_channels, kernel_size, groups_of(kind, in_channels), bias)


def weights(kind: Kind, in_channels: int, out_channels: int, kernel_size: int) -> int:
    """Weights of `make_conv`, by formula; each output pixel takes as many multiply-adds.

    Raises:
        ValueError: as `make_conv`.
    """
    if kind == "separable":
        return separable_parameters(in_channels, out_channels, kernel_size, bias=False)
    if kind == "bottleneck":
        inner = max(1, out_channels // REDUCTION)
        return bottleneck_parameters(in_channels, inner, out_channels, kernel_size, bias=False)
    groups = groups_of(kind, in_channels)
    return conv_parameters(in_channels, out_channels, kernel_size, groups=groups, bias=False)


def groups_of(kind: Kind, in_channels: int) -> int:
    """The groups of a convolution that is a single layer.

    Raises:
        ValueError: no such kind, or one of several layers.
    """
    groups = {"standard": 1, "groups2": 2, "groups4": 4, "groups8": 8, "depthwise": in_channels}
    if kind not in groups:
        raise ValueError(f"the convolution must be one of {', '.join(KINDS)}, not {kind!r}")
    return groups[kind]


def grouped_conv(
    in_channels: int, out_channels: int, kernel_size: int, groups: int, bias: bool = True
) -> nn.Conv2d:
    """A convolution in groups: each output channel sees the input channels of its group alone.

    Maps (N, in_channels, H, W) to (N, out_channels, H, W); `kernel_size` odd. Introduced by AlexNet
    (Krizhevsky et al., 2012, 3.2), the design principle of ResNeXt (Xie et al., 2017).

    Raises:
        ValueError: `groups` does not divide both numbers of channels.
    """
    check_groups(in_channels, out_channels, groups)
    padding = kernel_size // 2
    return nn.Conv2d(
        in_channels, out_channels, kernel_size, padding=padding, groups=groups, bias=bias
    )


def depthwise_separable_conv(
    in_channels: int, out_channels: int, kernel_size: int, bias: bool = True
) -> nn.Sequential:
    """A convolution of each channel separately, then a 1x1 convolution across channels.

    Maps (N, in_channels, H, W) to (N, out_channels, H, W); `kernel_size` odd. Sifre, 2014;
    MobileNet (Howard et al., 2017, 3.1).
    """
    return nn.Sequential(
        grouped_conv(in_channels, in_channels, kernel_size, groups=in_channels, bias=bias),
        nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=bias),
    )


def bottleneck_conv(
    in_channels: int, inner_channels: int, out_channels: int, kernel_size: int, bias: bool = True
) -> nn.Sequential:
    """A convolution between two 1x1 convolutions that reduce and restore the channels.

    Maps (N, in_channels, H, W) to (N, out_channels, H, W); `kernel_size` odd. He et al., 2016,
    figure 5.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, inner_channels, kernel_size=1, bias=bias),
        nn.ReLU(),
        grouped_conv(inner_channels, inner_channels, kernel_size, groups=1, bias=bias),
        nn.ReLU(),
        nn.Conv2d(inner_channels, out_channels, kernel_size=1, bias=bias),
    )
