"""The loops timed in turns: how fast a run is, how fast it could be, and what bounds it.

The speed of a machine drifts within minutes. So the loops take turns, a slice of steps at a time,
and rates are compared only within a round.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measurement import calibration, loops
from benchmarks.training import ddp
from benchmarks.training.training import Training

ROUNDS = 5
# A slice takes SLICE_SECONDS at most, and this fraction of a short training.
SLICE_SECONDS, SLICES_A_TRAINING = 0.25, 20

LOOPS = {
    "loop": loops.trainer_loop,
    "step": loops.bare_loop,
    "textbook": loops.d2l_clock_loop,
    "data": loops.data_loop,
}

Summary = dict[str, Any]


@dataclass(frozen=True)
class LoopTimings:
    """Examples/sec of each loop in `LOOPS` and of the reference workload, one sample a round."""

    samples: dict[str, list[float]]

    @property
    def medians(self) -> dict[str, float]:
        return {name: median(values) for name, values in self.samples.items()}

    @property
    def loop_efficiency(self) -> float:
        """The rate of the Trainer's loop over that of the bare loop: the median of the rounds."""
        return median(ratios(self.samples, "loop", "step"))

    @property
    def relative_speed(self) -> float:
        """The rate of the Trainer's loop over the reference workload's; median of the rounds."""
        return median(ratios(self.samples, "loop", "reference"))

    @property
    def bound_by(self) -> str:
        """Where most of the time of the Trainer's loop goes: net, data or framework.

        The bare loop gives the net's part of the time, the data loop the data's part; the rest is
        the framework's.
        """
        net = self.loop_efficiency
        data = median(ratios(self.samples, "loop", "data"))
        parts = {"net": net, "data": data, "framework": 1 - net - data}
        return max(parts, key=parts.__getitem__)

    def summary(self) -> dict[str, Summary]:
        """The summary of each rate, of the loop efficiency and of the relative speed."""
        quotients = {
            "loop_efficiency": ratios(self.samples, "loop", "step"),
            "relative_speed": ratios(self.samples, "loop", "reference"),
        }
        return {name: summary(values) for name, values in {**self.samples, **quotients}.items()}


def measure(training: Training, examples_per_sec: float, fit_seconds: float) -> LoopTimings:
    """Time the loops of a training whose run had this rate and took this long.

    Changes the net's weights. The reference workload takes turns with the loops, so that a machine
    that drifts changes no ratio; all its turns take as long as one measurement on its own. In a
    distributed run, each rank runs the Trainer's loop with the others, and the other loops alone on
    its slice of every batch; the rates of these are summed over the ranks. Loop efficiency then
    includes the cost of exchanging gradients.
    """
    steps = steps_in(slice_seconds(fit_seconds), examples_per_sec, training.protocol.batch_size)
    steps = ddp.broadcast(steps)
    turns = {
        name: partial(loop, training.with_negligible_updates(), steps)
        for name, loop in LOOPS.items()
    }
    turns["reference"] = partial(
        calibration.reference_examples_per_sec, training.device, fraction=1 / ROUNDS
    )
    samples = in_turns(turns, ROUNDS)
    for name in samples:
        if name != "loop":
            by_rank = ddp.gather(samples[name])
            samples[name] = [sum(rates) for rates in zip(*by_rank, strict=True)]
    return LoopTimings(samples)


def slice_seconds(fit_seconds: float) -> float:
    """Seconds of one slice, by those of the training."""
    return min(SLICE_SECONDS, fit_seconds / SLICES_A_TRAINING)


def estimated_seconds(seconds_a_step: float, fit_seconds: float) -> float:
    """Roughly what the loops and the inference take; batches alone take next to nothing."""
    steps = loops.WARMUP_STEPS + max(2, round(slice_seconds(fit_seconds) / seconds_a_step))
    inference = max(slice_seconds(fit_seconds), loops.WARMUP_STEPS * seconds_a_step / 3)
    in_turns = ROUNDS * ((len(LOOPS) - 1) * steps * seconds_a_step + inference)
    return in_turns + calibration.SECONDS


def steps_in(seconds: float, examples_per_sec: float, batch_size: int) -> int:
    """The number of steps that fill the time; at least two."""
    return max(2, round(seconds * examples_per_sec / batch_size))


def in_turns(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The results of each callable, round by round; every second round runs in reverse order."""
    samples: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name in list(turns)[:: -1 if number % 2 else 1]:
            samples[name].append(turns[name]())
    return samples


def ratios(samples: Mapping[str, list[float]], name: str, other: str) -> list[float]:
    """The rate of one loop over that of another, round by round."""
    return [a / b for a, b in zip(samples[name], samples[other], strict=True)]


def summary(samples: list[float]) -> Summary:
    """Median, quartiles and the samples themselves."""
    q1, q3 = map(float, np.quantile(samples, (0.25, 0.75)))
    return {"median": median(samples), "q1": q1, "q3": q3, "iqr": q3 - q1, "samples": samples}
