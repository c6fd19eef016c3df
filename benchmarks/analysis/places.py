"""Places in a table: nets that the data cannot separate share one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, count

import networkx
import numpy as np

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.differences import MARGIN, Difference, difference, found_with_power
from benchmarks.analysis.draws import DRAWS, normals, root, scales
from benchmarks.analysis.intervals import ALPHA, t_quantile

MOST_SEEDS = 100  # a net; more count as none
MOST_DEGREES = 1e5  # of freedom; more count as infinite

Pairs = Mapping[tuple[int, int], Difference]


@dataclass(frozen=True)
class Places:
    """The places of the nets of a table, best first.

    `better[a, b]` tells whether a is better than b, bool (M, M). The chance that any of these is
    false is 5 %: each pair's own critical value is multiplied by `widening`.
    """

    names: list[str]
    better: np.ndarray
    widening: float
    detectable: Detectable | None

    @property
    def places(self) -> dict[str, tuple[int, int]]:
        """The best and the worst place of each net that the data allow (Mogstad et al., 2024)."""
        beaten_by, beats = self.better.sum(axis=0), self.better.sum(axis=1)
        worst = len(self.names) - beats
        return {name: (1 + int(beaten_by[i]), int(worst[i])) for i, name in enumerate(self.names)}

    @property
    def letters(self) -> dict[str, str]:
        """The compact letter display: nets that share a letter are not separated.

        A letter stands for a largest set of such nets (Piepho, 2004), the best set first.
        """
        same = ~(self.better | self.better.T)
        np.fill_diagonal(same, False)
        groups = networkx.find_cliques(networkx.from_numpy_array(same))
        shown = dict.fromkeys(self.names, "")
        for group, letter in zip(sorted(map(sorted, groups)), _alphabet(), strict=False):
            for i in group:
                shown[self.names[i]] += letter
        return shown


@dataclass(frozen=True)
class Detectable:
    """The minimal detectable difference of a table: of its pair with the median standard error.

    `now` is found in 80 of 100 such tables. `at_best` would be with seeds without end, and `seeds`
    of each net would find `margin`; None: no number would, or no net tells the spread of trainings.
    """

    now: float
    at_best: float | None
    seeds: int | None
    margin: float


def places(table: Accuracies, margin: float = MARGIN) -> Places:
    """The places of all nets of a table, from all pairs of them; the same for the same data."""
    # Rounded, so that equal means stay in the order of the table.
    order = [int(i) for i in np.argsort(-table.means.round(12), kind="stable")]
    names = [table.names[i] for i in order]
    pairs = {(i, j): difference(table, names[i], names[j]) for i, j in _pairs(len(names))}
    widening = _widening(table, order, pairs)
    better: np.ndarray = np.zeros((len(names), len(names)), bool)
    for (i, j), pair in pairs.items():
        critical = widening * t_quantile(1 - ALPHA / 2, pair.degrees)
        better[i, j] = pair.interval.estimate > critical * pair.standard_error
    return Places(names, better, widening, _detectable(table, pairs, widening, margin))


def _pairs(nets: int) -> Iterator[tuple[int, int]]:
    return combinations(range(nets), 2)


def _widening(table: Accuracies, order: list[int], pairs: Pairs) -> float:
    """The factor of critical values that holds the error of all pairs together at 5 %.

    The 95 % quantile of the largest |t| over the 95 % quantile of a single |t|, drawn from the
    multivariate t distribution with the nets' covariance and the median degrees of freedom.
    """
    if len(pairs) < 2:
        return 1.0
    means = root(table.covariance[np.ix_(order, order)]) @ normals(len(order))
    largest = np.zeros(DRAWS)
    for (a, b), pair in pairs.items():
        if pair.standard_error > 0:
            deviation = means[a] - means[b]
            np.maximum(largest, np.abs(deviation) / pair.standard_error, out=largest)
    degrees = float(np.median([pair.degrees for pair in pairs.values()]))
    if degrees > MOST_DEGREES:
        degrees = math.inf
    else:
        largest /= scales(degrees)
    together = float(np.quantile(largest, 1 - ALPHA))
    return max(1.0, together / t_quantile(1 - ALPHA / 2, degrees))


def _detectable(
    table: Accuracies, pairs: Pairs, widening: float, margin: float
) -> Detectable | None:
    if not pairs:
        return None
    by_error = sorted(pairs.values(), key=lambda pair: pair.standard_error)
    typical = by_error[len(by_error) // 2]
    now = found_with_power(typical.standard_error, typical.degrees, widening)
    if not table.speaks_of_nets:
        return Detectable(now, None, None, margin)
    at_best = found_with_power(math.sqrt(typical.floor), math.inf, widening)
    enough = (s for s in range(2, MOST_SEEDS + 1) if typical.detectable(s, widening) <= margin)
    return Detectable(now, at_best, next(enough, None), margin)


def _alphabet() -> Iterator[str]:
    """a to z, then the letters of other alphabets, so that each group has a single character."""
    return filter(str.isalpha, map(chr, count(ord("a"))))
