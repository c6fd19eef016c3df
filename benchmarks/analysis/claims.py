"""A claim that one net is better than another: the effect, its interval and a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.analysis.differences import (
    MARGIN,
    THESE_TRAININGS,
    Difference,
    difference,
    difference_of_means,
    difference_of_rates,
)
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.metrics import ACCURACY, COUNT, MEAN, RATIO, Metric, values
from benchmarks.errors import UsageError
from benchmarks.records.record import RunRecord

SUPPORTED, EQUIVALENT, NOT_SUPPORTED = "supported", "equivalent", "not supported"
MORE_SEEDS, NO_NUMBER = "more seeds", "no number of seeds"

ENOUGH_TO_BEGIN = 3  # seeds that tell how far trainings differ
MARGIN_OF_RATIOS = 0.05


@dataclass(frozen=True)
class Claim:
    """The claim that net `a` is better than net `b`, and what the evidence says.

    Args:
        means: of a and of b.
        difference: a less b; of ratios the logarithm; None for what is counted.
        margin: within which they count as equivalent; of ratios 0.05 is 5 %.
        verdict: one of the constants above.
        more: seeds of each net that the verdict lacks.
        purpose: of these seeds.
        is_small: whether a difference that is certain lies within the margin.
    """

    a: str
    b: str
    metric: Metric
    means: tuple[float, float]
    difference: Difference | None
    margin: float
    verdict: str
    more: int | None = None
    purpose: str = ""
    is_small: bool = False


def claim(evidence: Evidence, a: str, b: str, metric: Metric, margin: float | None = None) -> Claim:
    """What the evidence says of the claim that `a` is better than `b`.

    Args:
        margin: of equivalence, a fraction; None: one point of fractions, 5 % of other figures.

    Raises:
        UsageError: a figure is missing, or speeds were measured on different devices.
    """
    if a == b:
        raise UsageError("a net cannot be compared with itself: give two models")
    sides = evidence.runs[a], evidence.runs[b]
    figures = [values(metric, model, runs) for model, runs in zip((a, b), sides, strict=True)]
    means = float(np.mean(figures[0])), float(np.mean(figures[1]))
    if margin is None:
        margin = MARGIN if metric.is_fraction else MARGIN_OF_RATIOS
    if metric.kind == COUNT:
        lead = metric.sign * (means[0] - means[1])
        verdict = SUPPORTED if lead > 0 else NOT_SUPPORTED if lead < 0 else EQUIVALENT
        return Claim(a, b, metric, means, None, margin, verdict)
    table = evidence.accuracies if metric.kind == ACCURACY else None
    if table is not None and {a, b} <= set(table.names):
        pair = difference(table, a, b)
    elif metric.kind == RATIO:
        pair = _of_rates(metric, *sides)
    else:
        pair = difference_of_means(*figures)
    allowed = margin if metric.is_fraction else math.log1p(margin)
    if metric.kind == MEAN and not metric.is_fraction:
        allowed = margin * abs(means[1])
    verdict, more, purpose = _judge(pair, metric.sign, allowed, min(map(len, sides)))
    is_small = pair.is_certain and pair.is_equivalent(allowed)
    return Claim(a, b, metric, means, pair, margin, verdict, more, purpose, is_small)


def _of_rates(metric: Metric, a: Sequence[RunRecord], b: Sequence[RunRecord]) -> Difference:
    devices = {(r.environment.device, r.environment.threads) for r in (*a, *b)}
    if len(devices) > 1 and metric.loop is not None and metric.name != "relative_speed":
        raise UsageError(
            "the speeds were measured on different devices; METRIC=relative_speed compares them "
            "in terms of a reference workload"
        )
    first, second = ([metric.rounds(record) for record in side] for side in (a, b))
    if min(rate for process in (*first, *second) for rate in process) <= 0:
        raise UsageError(f"a {metric.words} of 0 has no ratio")
    return difference_of_rates(first, second, drift=max(map(metric.drift, (*a, *b))))


def _judge(pair: Difference, sign: int, margin: float, seeds: int) -> tuple[str, int | None, str]:
    """Verdict, seeds that are lacking, and what they would do."""
    # McNemar's test of one training each says nothing of other trainings of these nets.
    is_of_trainings = pair.interval.scope == THESE_TRAININGS
    if is_of_trainings or (math.isnan(pair.noise) and not pair.is_certain):
        purpose = "to tell how far trainings differ"
        if is_of_trainings and not math.isnan(pair.standard_error):
            these = "differ" if pair.is_certain else "do not differ either"
            purpose += f" (the two at hand {these}, p = {pair.p:.2g})"
        return MORE_SEEDS, max(1, ENOUGH_TO_BEGIN - seeds), purpose
    if pair.is_certain:
        return (SUPPORTED if sign * pair.interval.estimate > 0 else NOT_SUPPORTED), None, ""
    if pair.is_equivalent(margin):
        return EQUIVALENT, None, ""
    outcomes = {
        "to separate them": pair.seeds_to_separate(),
        "to show them equivalent": pair.seeds_to_equate(margin),
    }
    needed = {by: number for by, number in outcomes.items() if number is not None}
    if not needed:
        return NO_NUMBER, None, ""
    by = min(needed, key=lambda each: needed[each])
    return MORE_SEEDS, max(1, needed[by] - seeds), by
