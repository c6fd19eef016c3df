"""Whether two tables order the same nets alike: rank correlations, and what may be concluded.

Kendall's tau is the part of all pairs that have the same order less the part that have the other
(M. G. Kendall, "A new measure of rank correlation", 1938): the part of reversed pairs is
(1 - tau)/2. Spearman's rho is the correlation of the places (C. Spearman, 1904).

Two kinds of chance are kept apart. Other trainings and test images would move the accuracies of
these nets: the intervals are quantiles over draws of all mean accuracies (a parametric bootstrap
within nets). Other nets would be ordered otherwise: with few nets, unrelated orders agree well by
chance alone, which `chance_level` counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np
from scipy import stats

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.differences import THESE_TRAININGS
from benchmarks.analysis.draws import normals, root, scales
from benchmarks.analysis.intervals import ALPHA, Interval


@dataclass(frozen=True)
class Side:
    """The accuracies of nets on one side: means (M,), their covariance (M, M), its degrees."""

    names: Sequence[str]
    means: np.ndarray
    covariance: np.ndarray
    degrees: float = math.inf
    scope: str = ""

    @classmethod
    def of(cls, table: Accuracies) -> Side:
        """The nets of a table."""
        degrees = table.degrees[np.isfinite(table.degrees)]
        return cls(
            table.names,
            table.means,
            table.covariance,
            float(degrees.min()) if len(degrees) else math.inf,
            "" if table.speaks_of_nets else THESE_TRAININGS,
        )

    def select(self, names: Sequence[str]) -> Side:
        """Some of the nets, in this order."""
        own = [self.names.index(name) for name in names]
        covariance = self.covariance[np.ix_(own, own)]
        return Side(names, self.means[own], covariance, self.degrees, self.scope)


@dataclass(frozen=True)
class Agreement:
    """How alike two sides order their common nets.

    Args:
        names: of the nets on both sides.
        tau, rho: Kendall's and Spearman's correlation, with intervals over trainings and images.
        reversed: the part of pairs that have the other order, with its interval.
        chance_level: see `chance_level`.
    """

    names: Sequence[str]
    tau: Interval
    rho: Interval
    reversed: Interval
    chance_level: float


def agreement(a: Side, b: Side) -> Agreement:
    """How alike two sides order the nets that both have; errors of the sides are independent.

    Raises:
        ValueError: fewer than two common nets.
    """
    names = [name for name in a.names if name in b.names]
    if len(names) < 2:
        raise ValueError("an order needs two nets")
    sides = a.select(names), b.select(names)
    scope = next((side.scope for side in sides if side.scope), "")
    noise = normals(2 * len(names)).reshape(2, len(names), -1)
    spread = scales(min(side.degrees for side in sides)) if _is_finite(sides) else 1.0
    first, second = (
        side.means[:, None] + root(side.covariance) @ own / spread
        for side, own in zip(sides, noise, strict=True)
    )
    means = [side.means[:, None] for side in sides]
    tau = _interval(float(_taus(*means)[0]), _taus(first, second), scope)
    rho = _interval(float(_rhos(*means)[0]), _rhos(first, second), scope)
    part = Interval((1 - tau.estimate) / 2, (1 - tau.high) / 2, (1 - tau.low) / 2, scope=scope)
    return Agreement(names, tau, rho, part, chance_level(len(names)))


def chance_level(nets: int) -> float:
    """The least tau that unrelated orders reach with a chance of 2.5 % at most; infinite: none.

    Of all orders, the number with each count of reversed pairs is the coefficient of the product
    of 1 + x + ... + x^(i - 1), i = 1, ..., nets (O. Rodrigues, 1839).
    """
    orders = reduce(np.convolve, (np.ones(size) for size in range(1, nets + 1)))
    chances = np.cumsum(orders) / math.factorial(nets)
    allowed = np.flatnonzero(chances <= ALPHA / 2)
    return 1 - 2 * float(allowed[-1]) / math.comb(nets, 2) if len(allowed) else math.inf


def _taus(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Kendall's tau of each draw, of (M, draws) each."""
    pairs = list(combinations(range(len(a)), 2))
    return np.mean([np.sign((a[i] - a[j]) * (b[i] - b[j])) for i, j in pairs], axis=0)


def _rhos(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rho of each draw, of (M, draws) each."""
    places = (stats.rankdata(side, axis=0) for side in (a, b))
    first, second = (each - each.mean(axis=0) for each in places)
    return (first * second).sum(axis=0) / np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))


def _interval(estimate: float, draws: np.ndarray, scope: str) -> Interval:
    """Quantiles of the draws, which noise pulls towards 0, and the estimate itself."""
    low, high = np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2])
    return Interval(estimate, min(float(low), estimate), max(float(high), estimate), scope=scope)


def _is_finite(sides: Sequence[Side]) -> bool:
    return any(math.isfinite(side.degrees) for side in sides)
