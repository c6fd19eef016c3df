"""FLOPs of a training, counted while a real step runs."""

import math
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.training.training import Training


def training_flops(training: Training) -> float:
    """FLOPs of training on one example, counted on a real forward and backward pass."""
    training = training.with_negligible_updates()
    optimizer, (images, labels) = training.optimizer(), training.first_batch()
    counter = FlopCounterMode(
        display=False,
        custom_mapping={torch.ops.aten.convolution_backward: _convolution_backward_flops},
    )
    # A compiled net would hide its operations from the counter.
    with torch.compiler.set_stance("force_eager"), counter:
        training.step(optimizer, images, labels)
    return counter.get_total_flops() / len(labels)


def _convolution_backward_flops(
    gradient: list[int], images: list[int], weight: list[int], *others: Any, **kwargs: Any
) -> int:
    """Each requested gradient, of images or weights, takes the FLOPs of the convolution itself.

    PyTorch's own formula counts the weight gradient of a grouped convolution as if it had one
    group. The arguments are those of aten.convolution_backward, with shapes in place of tensors.
    """
    transposed, wanted = others[4], others[7]
    positions = math.prod((images if transposed else gradient)[2:])
    return 2 * images[0] * positions * math.prod(weight) * sum(wanted[:2])
