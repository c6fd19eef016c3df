"""Examples/sec of a net in eval mode on one resident batch, without gradients."""

from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from benchmarks.measurement import loop_timings, loops
from benchmarks.training import ddp
from benchmarks.training.training import Training

HALVINGS = 2  # of the batch, whose results are tried too


@dataclass(frozen=True)
class InferenceSpeed:
    """Examples/sec in each round, at the batch size that was fastest in the first."""

    batch_size: int
    samples: list[float]

    @property
    def median(self) -> float:
        return median(self.samples)


@torch.inference_mode()
def measure(training: Training, seconds: float) -> InferenceSpeed:
    """Time the forward pass at the training's precision, for about so many seconds a round.

    Batch sizes tried: the training's, its half and its quarter, as a batch that leaves the caches
    can be slower than two halves. In a distributed run the rates of all ranks are summed.
    """
    net = training.net.to(training.device).eval()
    images, _ = training.first_batch()
    # The slices of two ranks may differ in length.
    sizes = [max(1, len(images) >> halvings) for halvings in range(1 + HALVINGS)]

    def rate(batch: Tensor, steps: int) -> float:
        def step() -> int:
            net(batch)
            return len(batch)

        with training.autocast():
            return loops.timed(step, steps, training.device)

    rates = [rate(images[:size], 1) for size in sizes]
    fastest = ddp.broadcast(rates.index(max(rates)))
    size = sizes[fastest]
    steps = ddp.broadcast(loop_timings.steps_in(seconds, rates[fastest], size))
    samples = [rate(images[:size], steps) for _ in range(loop_timings.ROUNDS)]
    return InferenceSpeed(size, [sum(rates) for rates in zip(*ddp.gather(samples), strict=True)])
