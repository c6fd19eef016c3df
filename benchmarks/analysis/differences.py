"""Differences of two nets: intervals, tests, and how many seeds would settle them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from benchmarks.analysis.accuracies import Accuracies, satterthwaite
from benchmarks.analysis.intervals import (
    ALPHA,
    Interval,
    over_processes,
    t_quantile,
)

MARGIN = 0.01  # of equivalence, unless another is given: one point of accuracy
POWER = 0.8
MOST_SEEDS = 1000  # a net; more count as none

THESE_TRAININGS = "these trainings only"
THESE_PROCESSES = "these processes only"


def found_with_power(error: float, degrees: float, widening: float = 1.0) -> float:
    """The difference that is found in 80 of 100 tables.

    Args:
        error: standard error of the difference.
        degrees: degrees of freedom of `error`.
        widening: factor of the critical value, for places among several nets.
    """
    critical, power = t_quantile(1 - ALPHA / 2, degrees), t_quantile(POWER, degrees)
    return (widening * critical + power) * error


@dataclass(frozen=True)
class Difference:
    """A figure of one net less that of another: accuracies, losses, or logarithms of rates.

    `floor` is the variance that no number of seeds lowers, by the test images alone; `noise` is the
    variance that S seeds of each net divide by S; NaN: unknown. `p` is two-sided.
    """

    interval: Interval
    standard_error: float
    degrees: float
    p: float
    floor: float
    noise: float
    groups: int = 2  # nets whose trainings the degrees of freedom count

    @property
    def is_certain(self) -> bool:
        """Whether the interval excludes 0; with one seed each, whether McNemar's test does."""
        return self.p < ALPHA

    def is_equivalent(self, margin: float = MARGIN) -> bool:
        """Whether the difference lies within the margin, by two one-sided tests (TOST)."""
        half = t_quantile(1 - ALPHA, self.degrees) * self.standard_error
        return abs(self.interval.estimate) + half < margin

    def seeds_to_separate(self, difference: float | None = None) -> int | None:
        """The least seeds of each net that find a difference in 80 of 100 tables; None: no number.

        Args:
            difference: to be found; None: the one that was observed.
        """
        target = abs(self.interval.estimate if difference is None else difference)
        return self._seeds(lambda seeds: self.detectable(seeds) <= target)

    def seeds_to_equate(self, margin: float = MARGIN) -> int | None:
        """The least seeds of each net that show equivalence in 80 of 100 tables; None: no number.

        Supposes that the true difference is the observed one.
        """
        rest = margin - abs(self.interval.estimate)

        def is_enough(seeds: int) -> bool:
            error, degrees = self.error_with(seeds)
            critical, power = t_quantile(1 - ALPHA, degrees), t_quantile(POWER, degrees)
            return (critical + power) * error <= rest

        return self._seeds(is_enough)

    def detectable(self, seeds: int, widening: float = 1.0) -> float:
        """The difference that is found in 80 of 100 tables with so many seeds of each net."""
        error, degrees = self.error_with(seeds)
        return found_with_power(error, degrees, widening)

    def error_with(self, seeds: int) -> tuple[float, float]:
        """Standard error and degrees of freedom with so many seeds of each net."""
        variance = self.floor + self.noise / seeds
        parts = [(self.noise / seeds, float(self.groups * max(1, seeds - 1)))]
        return math.sqrt(variance), satterthwaite(variance, parts)

    def flip_chance(self, seeds: int) -> float:
        """The chance that a table with so many seeds of each net has the other net ahead.

        Such a table has its own trainings and test images, and its difference is normal about the
        observed one, which counts as the true one: Phi(-|estimate| / error).
        """
        error, _ = self.error_with(seeds)
        if error <= 0:
            return 0.0 if self.interval.estimate else 0.5
        return float(special.ndtr(-abs(self.interval.estimate) / error))

    def _seeds(self, is_enough: Callable[[int], bool]) -> int | None:
        """The least number that is enough; found by bisection, as more seeds never hurt."""
        if math.isnan(self.noise) or not is_enough(MOST_SEEDS):
            return None
        low, high = 1, MOST_SEEDS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if is_enough(middle) else (middle, high)
        return high


def difference(table: Accuracies, a: str, b: str) -> Difference:
    """The accuracy of `a` less that of `b`, paired by image; seeds are unpaired.

    With one seed each, and no other net of the table that tells the spread of trainings, the test
    is McNemar's exact one, and speaks of these trainings only.
    """
    i, j = (table.names.index(name) for name in (a, b))
    images = table.test_set
    by_images = float(images[i, i] + images[j, j] - 2 * images[i, j])
    by_seeds = float((table.spread[[i, j]] / table.seeds[[i, j]]).sum())
    variance = max(0.0, by_images + by_seeds)
    estimate, error = float(table.means[i] - table.means[j]), math.sqrt(variance)
    degrees = table.degrees_of([i, j], variance)
    known = bool(np.isfinite(table.degrees[[i, j]]).all())
    quantile = t_quantile(1 - ALPHA / 2, degrees)
    half = quantile * error
    interval = Interval(
        estimate,
        estimate - half,
        estimate + half,
        test_set=quantile * math.sqrt(max(0.0, by_images)),
        seeds=quantile * math.sqrt(by_seeds) if known else None,
        scope="" if known else THESE_TRAININGS,
    )
    p = _mcnemar(table, a, b)
    if p is None:
        p = _p(estimate, error, degrees)
    interaction = table.interaction[[i, j]] / table.images
    return Difference(
        interval,
        error,
        degrees,
        p,
        floor=max(0.0, by_images - float((interaction / table.seeds[[i, j]]).sum())),
        noise=float((table.spread[[i, j]] + interaction).sum()),
        groups=_nets_in_group(table, i, j),
    )


def difference_of_means(a: Sequence[float], b: Sequence[float]) -> Difference:
    """The mean of `a` less that of `b`, over unpaired trainings (Welch, 1947).

    With a single training on a side, the interval is NaN, and p is 1.
    """
    sides = [np.asarray(side, float) for side in (a, b)]
    estimate = float(sides[0].mean() - sides[1].mean())
    if min(map(len, sides)) < 2:
        interval = Interval(estimate, math.nan, math.nan, scope=THESE_TRAININGS)
        return Difference(interval, math.nan, math.nan, 1.0, math.nan, math.nan)
    variances = [float(side.var(ddof=1)) for side in sides]
    parts = [variance / len(side) for variance, side in zip(variances, sides, strict=True)]
    error = math.sqrt(sum(parts))
    uncertain = sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
    degrees = sum(parts) ** 2 / uncertain if uncertain > 0 else math.inf
    half = t_quantile(1 - ALPHA / 2, degrees) * error
    interval = Interval(estimate, estimate - half, estimate + half, seeds=half)
    p = _p(estimate, error, degrees)
    return Difference(interval, error, degrees, p, floor=0.0, noise=sum(variances))


def difference_of_rates(
    a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], drift: float = 0.0
) -> Difference:
    """The natural logarithm of the ratio of two speeds, each timed in rounds.

    Over the processes, where both sides have several. Otherwise the intervals of the rounds and the
    drift of the machine are combined as independent, and speak of these processes only.

    Args:
        a, b: positive rates, a list of rounds a process.
        drift: change of the reference workload around the measurements; 0.05 is 5 %.
    """
    if min(len(a), len(b)) > 1:
        return difference_of_means(*([math.log(np.median(each)) for each in s] for s in (a, b)))
    own, other = over_processes(a), over_processes(b)
    estimate = math.log(own.estimate / other.estimate)
    halves = [math.log(side.high / side.low) / 2 for side in (own, other)]
    half = math.hypot(*halves, math.log1p(drift))
    interval = Interval(estimate, estimate - half, estimate + half, scope=THESE_PROCESSES)
    error = half / t_quantile(1 - ALPHA / 2, math.inf)
    p = 1.0 if math.isnan(half) else _p(estimate, error, math.inf)
    return Difference(interval, error, math.inf, p, floor=math.nan, noise=math.nan)


def _p(estimate: float, error: float, degrees: float) -> float:
    """Two-sided p of Student's t; 1 where two figures are the same without any error."""
    if error <= 0:
        return float(estimate == 0)
    return 2 * float(special.stdtr(degrees, -abs(estimate) / error))


def _mcnemar(table: Accuracies, a: str, b: str) -> float | None:
    """The exact p of McNemar's test (1947) of two trainings; None where another test is due."""
    sides = [table.trainings[name] for name in (a, b)]
    one_each = all(side.seeds == 1 and side.correct is not None for side in sides)
    if not one_each or np.isfinite(table.degrees[[table.names.index(n) for n in (a, b)]]).any():
        return None
    first, second = (side.correct[0] for side in sides)  # type: ignore[index]
    only_a, only_b = int((first & ~second).sum()), int((second & ~first).sum())
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def _nets_in_group(table: Accuracies, i: int, j: int) -> int:
    """Nets with several seeds in the group of both, or 1 where their groups differ."""
    for group in table.groups:
        if i in group and j in group:
            return max(1, sum(table.seeds[k] > 1 for k in group))
    return 1
