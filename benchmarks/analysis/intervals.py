"""Intervals of a single figure: 95 % of such intervals hold the true value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

ALPHA = 0.05  # of intervals, of places and of tests

ONE_TRAINING = "this training only"
ONE_PROCESS = "this process only"


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval, in the unit of the figure.

    `low` and `high` are NaN where nothing tells how far the figure varies. `test_set` and `seeds`
    are the half widths that each source of chance alone would give; None: unknown. `scope` limits
    what the interval speaks of, in words; empty: new trainings of this net.
    """

    estimate: float
    low: float
    high: float
    test_set: float | None = None
    seeds: float | None = None
    scope: str = ""

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


def wilson(accuracy: float, images: int) -> Interval:
    """The interval of one training's accuracy over new test images (Wilson, 1927)."""
    successes = round(accuracy * images)
    low, high = stats.binomtest(successes, images).proportion_ci(1 - ALPHA, method="wilson")
    return Interval(accuracy, low, high, test_set=(high - low) / 2, scope=ONE_TRAINING)


def over_seeds(values: Sequence[float]) -> Interval:
    """The t interval of a mean over trainings, as of losses; unknown for a single one."""
    mean, half = _mean_and_half(np.asarray(values, float))
    scope = "" if len(values) > 1 else ONE_TRAINING
    return Interval(mean, mean - half, mean + half, seeds=half, scope=scope)


def over_processes(rounds: Sequence[Sequence[float]]) -> Interval:
    """The interval of a speed that was timed in rounds, in one process or in several.

    Rounds of a process share its placement in memory, so processes count where there are several:
    a t interval of the logarithms of their medians. The interval of a single process is that of
    the median of its rounds, between two order statistics (with five rounds, the smallest and the
    largest: 94 %).

    Args:
        rounds: positive rates, a list a process.
    """
    medians = np.array([np.median(each) for each in rounds])
    if len(medians) > 1:
        mean, half = _mean_and_half(np.log(medians))
        return Interval(*np.exp([mean, mean - half, mean + half]).tolist())
    (own,) = (np.sort(np.asarray(each, float)) for each in rounds)
    if len(own) < 2:
        return Interval(medians[0], math.nan, math.nan, scope=ONE_PROCESS)
    # The k-th smallest and largest: the median lies outside with probability 2 P(Binomial < k).
    skipped = max(0, int(stats.binom.ppf(ALPHA / 2, len(own), 0.5)) - 1)
    return Interval(medians[0], own[skipped], own[-1 - skipped], scope=ONE_PROCESS)


def speed_ratio(
    new: Sequence[Sequence[float]], old: Sequence[Sequence[float]], drift: float = 0.0
) -> Interval:
    """The interval of the ratio of two speeds, each with a list of rounds a process.

    Welch's t interval of logarithms if both have several processes. Otherwise the rounds' intervals
    and the drift of the machine are combined as independent, and speak of these processes only.

    Args:
        new, old: positive rates, in the same terms.
        drift: change of the reference workload around the measurements; 0.05 is 5 %.
    """
    if min(len(new), len(old)) > 1:
        logs = [np.log([np.median(each) for each in side]) for side in (new, old)]
        difference, half = welch(*logs)
        return Interval(*np.exp([difference, difference - half, difference + half]).tolist())
    parts = [over_processes(side) for side in (new, old)]
    ratio = parts[0].estimate / parts[1].estimate
    if not all(part.is_known for part in parts):
        return Interval(ratio, math.nan, math.nan, scope=ONE_PROCESS)
    halves = [math.log(part.high / part.low) / 2 for part in parts]
    factor = math.exp(math.hypot(*halves, math.log1p(drift)))
    return Interval(ratio, ratio / factor, ratio * factor, scope=ONE_PROCESS)


def welch(new: Sequence[float], old: Sequence[float]) -> tuple[float, float]:
    """A difference of means over unpaired trainings, and half of its interval (Welch, 1947).

    The half width is NaN where a side has a single value.
    """
    sides = [np.asarray(side, float) for side in (new, old)]
    difference = float(sides[0].mean() - sides[1].mean())
    if min(map(len, sides)) < 2:
        return difference, math.nan
    low, high = stats.ttest_ind(*sides, equal_var=False).confidence_interval(1 - ALPHA)
    return difference, 0.0 if math.isnan(high) else float(high - low) / 2


def t_quantile(probability: float, degrees: float) -> float:
    """The quantile of Student's t; of the normal distribution where `degrees` is infinite."""
    return float(special.stdtrit(degrees, probability))


def _mean_and_half(values: np.ndarray) -> tuple[float, float]:
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return mean, math.nan
    half = t_quantile(1 - ALPHA / 2, count - 1) * values.std(ddof=1) / math.sqrt(count)
    return mean, float(half)
