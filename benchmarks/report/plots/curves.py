"""Loss and accuracy in training."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.drawing import (
    chance_line,
    epoch_axis,
    fraction_axis,
    log_axis,
    name_lines,
    with_least_range,
)
from benchmarks.report.plots.lineup import lineup
from benchmarks.report.plots.series import draw_series, ends, remarks, series
from benchmarks.report.style import look

LEAST_LOSS = 0.2  # range of an axis of losses, in nats
WIDE = 50.0  # from this ratio of losses on, their axis is logarithmic


@look()
def training_curves(rows: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Loss and train accuracy by epoch: the mean over the seeds, and a band over all of them.

    Args:
        rows: the runs.
        curves: epochs of these and of other runs, with the columns of `curves.csv`.
    """
    nets = lineup(rows)
    found = nets.done[["key", "label", "net"]].merge(curves, on="key")
    figure, panels = plt.subplots(1, 2, figsize=(12, 5))
    for axes, column in zip(panels, ("loss", "train_accuracy"), strict=True):
        lines = series(found, found["epoch"], found[column], "epoch")
        epoch_axis(axes, found["epoch"])
        shown = [*lines["low"], *lines["high"]]
        if column == "loss":
            _loss_axis(axes, shown)
        else:
            axes.set_ylabel(nets.in_words(column))
            fraction_axis(axes, "y", shown + chance_line(axes, "y", nets.share, lines["y"]))
        draw_series(axes, lines, nets)
        last, colors = ends(lines, nets)
        name_lines(axes, last["y"].to_dict(), colors)
    nets.head(figure, *remarks(nets))
    return figure


def _loss_axis(axes: Axes, losses: list[float]) -> None:
    """From 0 on, since differences near 0 are small; a wide range is shown by ratios."""
    axes.set_ylabel("training loss")
    if max(losses) > WIDE * min(losses) > 0:
        log_axis(axes, "y", losses)
        axes.set_ylabel("training loss (log scale)")
    else:
        axes.set_ylim(0, with_least_range([0, *losses], LEAST_LOSS)[1])
