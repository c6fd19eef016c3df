"""Plots of a comparison, each drawn from a frame with the columns of `results.csv`."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.records.artifacts import Predictions
from benchmarks.records.record import OK
from benchmarks.report.plots.accuracy import accuracy
from benchmarks.report.plots.calibration import reliability
from benchmarks.report.plots.confusion import MOST_CLASSES, confusion
from benchmarks.report.plots.cost import COSTS, cost_to_accuracy
from benchmarks.report.plots.curves import training_curves
from benchmarks.report.plots.knob import knob
from benchmarks.report.plots.trade_off import accuracy_against
from benchmarks.report.standing import Standing

__all__ = [
    *("accuracy", "accuracy_against", "confusion", "cost_to_accuracy", "figures", "knob"),
    *("NAMES", "of_predictions", "reliability", "training_curves"),
]

# The files that a rebuild draws, as far as these things were measured.
NAMES = frozenset(
    (
        "accuracy",
        "speed",
        "macs",
        "parameters",
        "cost",
        "curves",
        "vary",
        "confusion",
        "calibration",
    )
)

# By name of the file, the column that accuracy is drawn against.
AGAINST = {"speed": "examples_per_sec", "macs": "macs", "parameters": "parameters"}


def figures(
    rows: pd.DataFrame, curves: pd.DataFrame, evaluations: pd.DataFrame, standing: Standing | None
) -> Iterator[tuple[str, Figure]]:
    """The plots of a comparison by name, one at a time; none of what was not measured.

    Args:
        rows: the runs of its table; at least one ended well.
        curves: epochs of these and of other runs, with the columns of `curves.csv`.
        evaluations: the same, with the columns of `evaluations.csv`.
        standing: intervals and places, where accuracies count images.
    """
    measured = rows[rows["status"] == OK].notna().any()
    yield "accuracy", accuracy(rows, standing)
    for name, column in AGAINST.items():
        if measured[column]:
            yield name, accuracy_against(rows, column, standing)
    if measured[list(COSTS)].any():
        yield "cost", cost_to_accuracy(rows, evaluations, standing)
    if curves["key"].isin(rows["key"]).any():
        yield "curves", training_curves(rows, curves)
    if rows["varied"].notna().any():
        yield "vary", knob(rows, standing)


def of_predictions(
    rows: pd.DataFrame, predictions: Mapping[str, Sequence[Predictions]]
) -> Iterator[tuple[str, Figure]]:
    """The plots of what nets make of each image, by name, one at a time.

    Args:
        rows: the runs of a table; at least one ended well.
        predictions: of these, by label of their row; none where they are missing.
    """
    first = next((kept[0].labels for kept in predictions.values()), None)
    if first is None:
        return
    if len(first.classes) <= MOST_CLASSES:
        yield "confusion", confusion(rows, predictions)
    yield "calibration", reliability(rows, predictions)
