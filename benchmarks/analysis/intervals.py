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


def error_bars(intervals: Sequence[Interval]) -> tuple[list[float], list[float]]:
    """The lengths of error bars below and above the estimates."""
    below = [each.estimate - each.low for each in intervals]
    return below, [each.high - each.estimate for each in intervals]


def t_quantile(probability: float, degrees: float) -> float:
    """The quantile of Student's t; of the normal distribution where `degrees` is infinite."""
    return float(special.stdtrit(degrees, probability))


def _mean_and_half(values: np.ndarray) -> tuple[float, float]:
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return mean, math.nan
    half = t_quantile(1 - ALPHA / 2, count - 1) * values.std(ddof=1) / math.sqrt(count)
    return mean, float(half)
