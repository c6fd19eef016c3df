"""Layers that stay in fp32 under autocast on a CPU, because bfloat16 makes them slower.

`python -m benchmarks study bfloat16` times each kind of layer in both. The rule is fixed, and not
the outcome of a timing, so that equal machines compute equal numbers.
"""

from types import MethodType

import torch
from torch import Tensor, nn

NARROW = 2  # channels of a group, at most, that stay in fp32


def stays_in_fp32(layer: nn.Module) -> bool:
    """Whether a layer is a convolution in narrow groups, such as a depthwise one."""
    is_grouped = isinstance(layer, nn.Conv2d) and layer.groups > 1
    return is_grouped and layer.in_channels <= NARROW * layer.groups


def keep_in_fp32(net: nn.Module) -> None:
    """Let the convolutions of a net that have narrow groups compute in fp32.

    Inputs are converted to fp32, and outputs stay fp32 until a layer that autocast computes in
    bfloat16.
    """
    for layer in net.modules():
        if stays_in_fp32(layer):
            layer.forward = MethodType(_forward_in_fp32, layer)  # a copy of the net rebinds it


def _forward_in_fp32(layer: nn.Conv2d, images: Tensor) -> Tensor:
    with torch.autocast(images.device.type, enabled=False):
        return type(layer).forward(layer, images.float())
