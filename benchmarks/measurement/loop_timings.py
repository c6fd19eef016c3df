"""How fast a run is, how fast it could be, and what bounds it: the loops timed in turns.

A machine is faster now than in a minute. So the loops take turns, a slice of each at a time, and
only what was measured side by side is compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from benchmarks.measurement import loops
from benchmarks.training import ddp
from benchmarks.training.training import Training

ROUNDS = 5
# Of a slice: so much at most, and less after a short training, which deserves less of a wait.
SLICE_SECONDS, SLICES_A_TRAINING = 0.25, 20

LOOPS = {
    "loop": loops.trainer_loop,
    "step": loops.bare_loop,
    "textbook": loops.d2l_clock_loop,
    "data": loops.data_loop,
}


@dataclass(frozen=True)
class LoopTimings:
    """Examples/sec of each of `LOOPS`, a sample a round."""

    samples: dict[str, list[float]]

    @property
    def medians(self) -> dict[str, float]:
        return {name: median(values) for name, values in self.samples.items()}

    @property
    def loop_efficiency(self) -> float:
        """The Trainer's loop over the bare one: the median of the rounds."""
        return median(ratios(self.samples, "loop", "step"))

    @property
    def bound_by(self) -> str:
        """Where most of the time of the Trainer's loop goes: net, data, or framework.

        The first two are what the bare loop and the data alone would take; the rest is the
        framework's.
        """
        net = self.loop_efficiency
        data = median(ratios(self.samples, "loop", "data"))
        shares = {"net": net, "data": data, "framework": 1 - net - data}
        return max(shares, key=shares.__getitem__)

    def summary(self) -> dict[str, dict]:
        """Samples, median and interquartile range of each rate and of the efficiency."""
        efficiency = {"loop_efficiency": ratios(self.samples, "loop", "step")}
        return {name: summary(values) for name, values in {**self.samples, **efficiency}.items()}


def measure(training: Training, examples_per_sec: float, fit_seconds: float) -> LoopTimings:
    """Time the loops of a training that went so fast and took so long.

    The net is not what it was afterwards. Where several ranks share the training, all but the
    Trainer's loop run on each of them by itself, with its share of a batch, and are added up: then
    loop efficiency is what the loop and the exchange of gradients leave.
    """
    seconds = min(SLICE_SECONDS, fit_seconds / SLICES_A_TRAINING)
    steps = steps_in(seconds, examples_per_sec, training.protocol.batch_size)
    steps = ddp.broadcast(steps)
    turns = {
        name: partial(loop, training.with_negligible_updates(), steps)
        for name, loop in LOOPS.items()
    }
    samples = in_turns(turns, ROUNDS)
    for name in samples:
        if name != "loop":
            by_rank = ddp.gather(samples[name])
            samples[name] = [sum(rates) for rates in zip(*by_rank, strict=True)]
    return LoopTimings(samples)


def steps_in(seconds: float, examples_per_sec: float, batch_size: int) -> int:
    """How many steps fill the time; at least two."""
    return max(2, round(seconds * examples_per_sec / batch_size))


def in_turns(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each returns in each round; every second round goes backwards."""
    samples: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name in list(turns)[:: -1 if number % 2 else 1]:
            samples[name].append(turns[name]())
    return samples


def ratios(samples: Mapping[str, list[float]], name: str, other: str) -> list[float]:
    """One over the other, round by round."""
    return [a / b for a, b in zip(samples[name], samples[other], strict=True)]


def summary(samples: list[float]) -> dict[str, float | list[float]]:
    low, high = np.quantile(samples, (0.25, 0.75))
    return {"median": median(samples), "iqr": float(high - low), "samples": samples}
