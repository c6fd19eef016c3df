"""Reliability diagrams of the best nets: accuracy against confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.analysis.calibration import BINS, Calibration, calibration
from benchmarks.records.artifacts import Predictions
from benchmarks.report.plots.lineup import lineup
from benchmarks.report.plots.panels import panels, remark, shown_nets
from benchmarks.report.style import FAINT, GREY, INK, for_text, look

LEAST_IMAGES = 10  # of a bin whose accuracy is drawn
_BAND = 0.25  # of a panel's height, the tallest bar of the histogram
_TICKS = (0, 0.25, 0.5, 0.75, 1)


@look()
def reliability(rows: pd.DataFrame, predictions: Mapping[str, Sequence[Predictions]]) -> Figure:
    """Accuracy of each net by the confidence of its predictions, over all its seeds.

    On the diagonal, confidence is what it says; below it, the net is overconfident. The bars at
    the bottom are the share of predictions in each bin of confidence.

    Args:
        rows: the runs of a table.
        predictions: of the runs by label of their row.
    """
    nets = lineup(rows)
    labels = shown_nets(nets, predictions)
    color_of = nets.done.drop_duplicates("label").set_index("label")["net"].map(nets.colors)
    figure, found = panels(labels, (0.9, 2.8))
    for label, axes in found.items():
        color = color_of[label] if color_of[label] != GREY else FAINT
        _draw(axes, label, calibration(predictions[label]), color)
    found[labels[0]].set(xticks=_TICKS, yticks=_TICKS)  # all share them
    figure.supxlabel("confidence", fontsize="medium")
    figure.supylabel("accuracy", fontsize="medium")
    nets.head(
        figure,
        "ECE with 95 % interval",
        "bars: share of predictions",
        remark(labels, predictions),
    )
    return figure


def _draw(axes: Axes, label: str, found: Calibration, color: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.tick_params(labelsize="small")
    width = 1 / BINS
    centres = (np.arange(BINS) + 0.5) * width
    axes.bar(centres, _BAND * found.images / found.images.max(), 0.9 * width, color="0.88")
    axes.plot([0, 1], [0, 1], color=FAINT, ls="--", lw=1, zorder=2)
    shown = found.images >= LEAST_IMAGES
    confidence, accuracy = found.confidence[shown], found.accuracy[shown]
    axes.fill_between(confidence, confidence, accuracy, color=color, alpha=0.2, lw=0, zorder=2)
    axes.plot(confidence, accuracy, "o-", color=color, ms=4, lw=1.5, zorder=3)
    axes.set_title(label, fontsize="medium", color=for_text(color))
    error = found.error
    text = f"ECE {error.estimate:.3f} ± {error.half:.3f}\n{found.in_words}"
    axes.text(0.05, 0.95, text, color=INK, fontsize="small", va="top", in_layout=False)
