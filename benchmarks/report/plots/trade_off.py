"""The accuracy of each net against its speed, its size or its cost."""

from __future__ import annotations

from itertools import pairwise

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.drawing import (
    Segment,
    amount,
    chance_line,
    fraction_axis,
    interval_bars,
    legend_point,
    log_axis,
    name_points,
)
from benchmarks.report.plots.front import QUANTITIES, points
from benchmarks.report.plots.lineup import Lineup, lineup
from benchmarks.report.standing import Standing
from benchmarks.report.style import FAINT, GREY, look

MOST_NAMES = 20  # beside points, before they cover each other
PALE = 0.35  # opacity of points off the front
AREA = 420.0  # of the point with most parameters, in points squared
LEAST_AREA = 14.0
AREA_ALONE = 60.0  # where areas mean nothing


@look()
def accuracy_against(
    rows: pd.DataFrame, column: str = "examples_per_sec", standing: Standing | None = None
) -> Figure:
    """Test score against one of `QUANTITIES`, with the Pareto front as a step line.

    A net is on the front if no other is at least as good in both and better in one; points off the
    front are pale. An upright bar is the 95 % interval, or the range of the seeds where that is not
    known; a level bar is the interval of a training speed. The area of a point is the number of
    parameters. Hollow points were measured under other conditions: their speeds are not to be
    compared, and they are not on the front. Of more than twenty points, those on the front are
    named.
    """
    nets = lineup(rows)
    figure, axes = plt.subplots(figsize=(9, 6.2))
    handles = draw(axes, nets, column, standing)
    axes.set_ylabel(nets.in_words(nets.score))
    nets.head(figure)
    figure.legend(handles=handles, loc="outside lower center", ncols=6, columnspacing=1.2)
    return figure


def draw(axes: Axes, nets: Lineup, column: str, standing: Standing | None) -> list[Line2D]:
    """Draw a panel of `accuracy_against`; returns what its legend explains."""
    quantity, found = QUANTITIES[column], points(nets, column, standing)
    timed = found.dropna(subset=["slow", "fast"])
    log_axis(axes, "x", [*found["x"], *timed["slow"], *timed["fast"]])
    ends = [*found["low"], *found["high"]]
    fraction_axis(axes, "y", ends + chance_line(axes, "y", nets.share, found["y"]))
    axes.set_xlabel(f"{quantity.words} (log scale)")
    segments = _draw_front(axes, found[found["on_front"]], quantity.more_is_better)
    upright = [((x, low), (x, high)) for x, low, high in found[["x", "low", "high"]].to_numpy()]
    level = [((slow, y), (fast, y)) for slow, fast, y in timed[["slow", "fast", "y"]].to_numpy()]
    colors = found["net"].map(nets.colors).replace(GREY, FAINT)
    edges = [
        to_rgba(color, 1 if is_opaque else PALE)
        for color, is_opaque in zip(colors, found["on_front"] | (found["mark"] != ""), strict=True)
    ]
    interval_bars(axes, [*upright, *level], [*edges, *(edges[i] for i in timed.index)])
    has_areas = column != "parameters"
    areas = _areas(found["parameters"]) if has_areas else AREA_ALONE
    faces = [
        edge if sign == "" else "white" for edge, sign in zip(edges, found["mark"], strict=True)
    ]
    dots = axes.scatter(found["x"], found["y"], s=areas, c=faces, ec=edges, zorder=3)
    named = found if len(found) <= MOST_NAMES else found[found["on_front"]]
    places = dict(zip(named["name"], zip(named["x"], named["y"], strict=True), strict=True))
    inks = dict(zip(found["name"], colors.where(found["on_front"], FAINT), strict=True))
    name_points(axes, places, inks, dots, [*segments, *upright, *level])
    return [*_legend(found), *(_area_scale(found["parameters"]) if has_areas else [])]


def _draw_front(axes: Axes, found: pd.DataFrame, more_is_better: bool) -> list[Segment]:
    """A line at the best score that each speed or cost allows; returns its parts."""
    if found.empty:
        return []
    best_first = found.sort_values("y", ascending=False)[["x", "y"]].to_numpy().tolist()
    corners = [(axes.get_xlim()[0 if more_is_better else 1], best_first[0][1])]
    for x, y in best_first:
        corners += [(corners[-1][0], y), (x, y)]
    axes.plot(*zip(*corners, strict=True), color=FAINT, lw=1.2, zorder=1)
    return list(pairwise(corners))


def _areas(parameters: pd.Series, largest: float | None = None) -> pd.Series:
    return (AREA * parameters / (largest or parameters.max())).clip(lower=LEAST_AREA)


def _legend(found: pd.DataFrame) -> list[Line2D]:
    handles = [Line2D([], [], color=FAINT, lw=1.2, label="Pareto front")]
    if (found["mark"] != "").any():
        handles.append(legend_point("other conditions", mfc="white"))
    return handles


def _area_scale(parameters: pd.Series) -> list[Line2D]:
    """Points of up to three round numbers of parameters."""
    largest = parameters.max()
    smallest = max(parameters.min(), LEAST_AREA / AREA * largest)
    exponents = range(len(f"{smallest:.0f}") - 1, len(f"{largest:.0f}"))
    sizes = [float(digit * 10**exponent) for exponent in exponents for digit in (1, 3)]
    sizes = [size for size in sizes if 0.8 * smallest <= size <= largest][-3:] or [largest]
    areas = _areas(pd.Series(sizes), largest)
    handles = [
        legend_point(amount(size), ms=area**0.5, color=GREY)
        for size, area in zip(sizes, areas, strict=True)
    ]
    handles[-1].set_label(f"{handles[-1].get_label()} parameters")
    return handles
