"""FLOPs of a training, counted while a real step runs."""

from typing import NamedTuple

import torch

from benchmarks.training.training import Training
from lit_models.analysis.counting import counting


class TrainingFlops(NamedTuple):
    """FLOPs of training on one example; at least so many if operations are `uncounted`."""

    per_example: float
    uncounted: tuple[str, ...]


def training_flops(training: Training) -> TrainingFlops:
    """Count the FLOPs of a real forward and backward pass, as this device carries it out."""
    training = training.with_negligible_updates()
    optimizer, (images, labels) = training.optimizer(), training.first_batch()
    # A compiled net would hide its operations from the counter.
    with torch.compiler.set_stance("force_eager"), counting() as counted:
        training.step(optimizer, images, labels)
    return TrainingFlops(counted.flops / len(labels), counted.uncounted)
