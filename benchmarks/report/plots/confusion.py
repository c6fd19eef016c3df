"""The confusion matrices of the best nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from benchmarks.analysis.confusion import by_true_class, confusion_matrix
from benchmarks.records.artifacts import Predictions
from benchmarks.report.plots.lineup import lineup
from benchmarks.report.plots.panels import panels, remark, shown_nets
from benchmarks.report.style import INK, LINE_COLORS, look

MOST_CLASSES = 20  # whose names can be read
MOST_NUMBERS = 12  # classes of a matrix whose cells have room for a number
LEAST_SHARE = 0.01  # that is written
LEAST_DARK = 0.65  # above it, white is read better than dark text
_MAP = LinearSegmentedColormap.from_list("shares", ["white", LINE_COLORS[0]])


@look()
def confusion(rows: pd.DataFrame, predictions: Mapping[str, Sequence[Predictions]]) -> Figure:
    """What each net takes for what, over all its seeds, in % of the true class.

    Args:
        rows: the runs of a table.
        predictions: of the runs by label of their row, with at most `MOST_CLASSES` classes.
    """
    nets = lineup(rows)
    labels = shown_nets(nets, predictions)
    first = predictions[labels[0]][0].labels
    assert first is not None
    figure, found = panels(labels, (1.6, 3.6))
    for label, axes in found.items():
        counts = confusion_matrix(predictions[label])
        _draw(axes, by_true_class(counts))
        axes.set_title(f"{label}  {np.trace(counts) / counts.sum():.3f}", fontsize="medium")
        axes.tick_params(length=0, labelsize="small")
        axes.tick_params(axis="x", rotation=90)
    axes = found[labels[0]]  # whose ticks all share
    axes.set_xticks(range(len(first.classes)), first.classes)
    axes.set_yticks(range(len(first.classes)), first.classes)
    figure.supxlabel("predicted class", fontsize="medium")
    figure.supylabel("true class", fontsize="medium")
    nets.head(figure, "in % of the true class", remark(labels, predictions))
    return figure


def _draw(axes: Axes, shares: np.ndarray) -> None:
    # The square root lets confusions of a few per cent be seen beside a full diagonal.
    axes.imshow(np.sqrt(shares), cmap=_MAP, vmin=0, vmax=1)
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    if len(shares) > MOST_NUMBERS:
        return
    for row, column in np.argwhere(shares >= LEAST_SHARE):
        share = shares[row, column]
        style: dict[str, Any] = {"color": "white" if share > LEAST_DARK else INK}
        style |= {"ha": "center", "va": "center", "fontsize": "x-small", "in_layout": False}
        axes.text(column, row, f"{100 * share:.0f}", **style)
