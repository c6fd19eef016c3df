"""Points of accuracy against speed, size or cost, and the Pareto front among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.analysis.intervals import Interval
from benchmarks.report.plots.lineup import Lineup
from benchmarks.report.standing import Standing


@dataclass(frozen=True)
class Quantity:
    """What a net is fast, large or costly in, a column of `results.csv`.

    `is_measured`: it depends on the machine, versions and commit.
    """

    words: str
    more_is_better: bool = False
    is_measured: bool = False


SPEED = "examples_per_sec"
QUANTITIES = {
    SPEED: Quantity("training examples/sec", more_is_better=True, is_measured=True),
    "macs": Quantity("multiply-adds (MACs) for one image"),
    "parameters": Quantity("parameters"),
    "fit_seconds": Quantity("seconds of training", is_measured=True),
    "train_flops": Quantity("FLOPs of training"),
}


def front(costs: Sequence[float], scores: Sequence[float]) -> np.ndarray:
    """The Pareto front: which points no other dominates, bool (n,).

    A point dominates another if it costs at most as much, scores at least as well, and is better in
    one of both.
    """
    on_front: np.ndarray = np.zeros(len(costs), bool)
    best, at = -np.inf, np.nan
    for i in np.lexsort((-np.asarray(scores), costs)):  # the cheapest first, of equals the best
        if scores[i] > best or (scores[i], costs[i]) == (best, at):
            on_front[i] = True
            best, at = scores[i], costs[i]
    return on_front


def speed_intervals(done: pd.DataFrame, standing: Standing | None) -> dict[str, Interval]:
    """The known intervals of training speeds by label, of those measured under one condition.

    Args:
        done: runs that ended well, with the columns `label` and `mark`.
        standing: the intervals.
    """
    known = standing.speeds[SPEED] if standing else {}
    conditions = done.groupby("label")["mark"].nunique()
    labels = conditions.index[conditions == 1]
    return {label: known[label] for label in labels if label in known and known[label].is_known}


def points(nets: Lineup, column: str, standing: Standing | None) -> pd.DataFrame:
    """A row for each label of the table, with the means over its seeds.

    Measurements under different conditions are not averaged: these are rows of their own, and those
    with a mark are not on the front.

    Returns:
        The columns `name`, `net`, `mark`, `x`, `y`, `low` and `high` (the interval of y, or the
        range of its seeds), `slow` and `fast` (the interval of x; NaN where it is not known, and of
        what is no speed), `parameters` and `on_front`.
    """
    quantity = QUANTITIES[column]
    runs = nets.done.dropna(subset=[column, nets.score])
    if not quantity.is_measured:
        runs = runs.assign(mark="")
    found = runs.groupby(["label", "mark"], sort=False).agg(
        net=("net", "first"),
        x=(column, "mean"),
        y=(nets.score, "mean"),
        low=(nets.score, "min"),
        high=(nets.score, "max"),
        parameters=("parameters", "max"),
    )
    found = found.reset_index()
    known = standing.intervals if standing else {}
    for i, label in found["label"].items():
        if label in known and known[label].is_known:
            found.loc[i, ["low", "high"]] = known[label].low, known[label].high
    speeds = speed_intervals(runs, standing) if column == SPEED else {}
    for name, end in (("slow", "low"), ("fast", "high")):
        ends = {label: getattr(interval, end) for label, interval in speeds.items()}
        found[name] = found["label"].map(ends).astype(float)
    costs = -found["x"] if quantity.more_is_better else found["x"]
    costs = costs.where(found["mark"] == "", np.inf)
    is_front = front(costs.tolist(), found["y"].tolist())
    name = (found["label"] + " " + found["mark"]).str.strip()
    return found.assign(name=name, on_front=is_front & np.isfinite(costs))
