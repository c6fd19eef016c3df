"""The accuracy that a cost of training buys."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.drawing import chance_line, fraction_axis, log_axis, name_points
from benchmarks.report.plots import trade_off
from benchmarks.report.plots.front import QUANTITIES
from benchmarks.report.plots.lineup import Lineup, lineup
from benchmarks.report.plots.series import draw_series, ends, remarks, series
from benchmarks.report.standing import Standing
from benchmarks.report.style import look

COSTS = ("fit_seconds", "train_flops")


@look()
def cost_to_accuracy(
    rows: pd.DataFrame, evaluations: pd.DataFrame, standing: Standing | None = None
) -> Figure:
    """Score against seconds and FLOPs of training.

    Where accuracy was measured on the way, a line leads through the means over the seeds; elsewhere
    each net is a point, and a step line leads along the Pareto front.

    Args:
        rows: the runs.
        evaluations: of these and of other runs, with the columns of `evaluations.csv`.
        standing: intervals of the scores after training.
    """
    nets = lineup(rows)
    on_the_way = nets.done[["key", "label", "net", "epochs", "train_flops"]].merge(
        evaluations[["key", "epoch", "seconds", "accuracy"]], on="key"
    )
    costs = [name for name in COSTS if nets.done[name].notna().any()]
    figure, panels = plt.subplots(
        1, len(costs), figsize=(2 + 5.5 * len(costs), 5.6), sharey=True, squeeze=False
    )
    handles = []
    for axes, column in zip(panels[0], costs, strict=True):
        if on_the_way.empty:
            handles = trade_off.draw(axes, nets, column, standing)
        else:
            _draw_lines(axes, nets, on_the_way, column)
    score = nets.score
    if not on_the_way.empty:
        score = f"{score.partition('_')[0]}_accuracy"
    panels[0][0].set_ylabel(nets.in_words(score))
    nets.head(figure, *([] if on_the_way.empty else remarks(nets)))
    figure.legend(handles=handles, loc="outside lower center", ncols=6, columnspacing=1.2)
    return figure


def _draw_lines(axes: Axes, nets: Lineup, found: pd.DataFrame, column: str) -> None:
    cost = found["seconds"]
    if column == "train_flops":
        cost = found["train_flops"] * found["epoch"] / found["epochs"]
    lines = series(found, cost, found["accuracy"], "epoch")
    log_axis(axes, "x", lines["x"])
    axes.set_xlabel(f"{QUANTITIES[column].words} (log scale)")
    shown = [*lines["low"], *lines["high"]]
    fraction_axis(axes, "y", shown + chance_line(axes, "y", nets.share, lines["y"]))
    draw_series(axes, lines, nets)
    last, colors = ends(lines, nets)
    points = dict(zip(last.index, zip(last["x"], last["y"], strict=True), strict=True))
    name_points(axes, points, colors, axes.scatter(lines["x"], lines["y"], s=20, alpha=0))
