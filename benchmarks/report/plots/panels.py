"""Small multiples: a panel for each of the best nets, in rows of at most four."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.records.artifacts import Predictions
from benchmarks.report.plots.lineup import Lineup

MOST_PANELS = 8
MOST_COLUMNS = 4
LEAST_WIDTH = 7.5  # inches, for the title


def shown_nets(nets: Lineup, predictions: Mapping[str, Sequence[Predictions]]) -> list[str]:
    """The labels of the nets that have a panel: the best that left predictions."""
    return [label for label in nets.labels if label in predictions][:MOST_PANELS]


def panels(labels: Sequence[str], size: tuple[float, float]) -> tuple[Figure, dict[str, Axes]]:
    """A figure with equal panels that share their axes, by label.

    Args:
        labels: of the panels, in reading order.
        size: of the figure, in inches: a margin of it, and what each panel adds.
    """
    rows = -(-len(labels) // MOST_COLUMNS)
    columns = -(-len(labels) // rows)
    margin, side = size
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(max(LEAST_WIDTH, margin + side * columns), margin + side * rows),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    found = dict(zip(labels, grid.flat, strict=False))
    for axes in grid.flat[len(labels) :]:
        axes.remove()
    for axes in grid[-2:-1, len(labels) - columns * (rows - 1) :].flat:
        axes.tick_params(labelbottom=True)  # below it there is no panel
    return figure, found


def remark(labels: Sequence[str], predictions: Mapping[str, Sequence[Predictions]]) -> str:
    """What the title says if some nets have no panel."""
    left = len(predictions) - len(labels)
    return f"the best {len(labels)} of {len(predictions)} nets" if left else ""
