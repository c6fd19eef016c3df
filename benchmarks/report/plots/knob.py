"""Accuracy, speed and memory against one field of the protocol."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks.planning.variation import as_text
from benchmarks.report.comparable import values_in_order
from benchmarks.report.drawing import (
    chance_line,
    fraction_axis,
    interval_bars,
    legend_point,
    log_axis,
    name_lines,
)
from benchmarks.report.plots.front import SPEED, speed_intervals
from benchmarks.report.plots.lineup import Lineup, lineup
from benchmarks.report.plots.series import draw_series, ends, remarks, series
from benchmarks.report.standing import Standing
from benchmarks.report.style import GREY, look

DECADE = 10.0  # from this ratio of the largest to the smallest value on, an axis is logarithmic
MOST_LEVEL = 5  # values whose labels stand level


@look()
def knob(rows: pd.DataFrame, standing: Standing | None = None) -> Figure:
    """Score, training examples/sec and peak memory against the varied field, a line a net.

    Lines lead through the means over the seeds; each run is a faint dot; a bar is the interval of a
    speed. In the last two panels a
    dot is hollow if the run was measured under other conditions than most.
    """
    nets = lineup(rows)
    done = nets.done.assign(label=nets.done["net"])  # a line leads through the values of a net
    names = {
        nets.score: nets.in_words(nets.score),
        "examples_per_sec": "training examples/sec",
        "peak_memory_mb": "peak memory in training (MiB)",
    }
    names = {column: words for column, words in names.items() if done[column].notna().any()}
    values = values_in_order(done["varied_value"])
    at = done["varied_value"].map(_positions(values))
    figure, panels = plt.subplots(1, len(names), figsize=(5.4 * len(names), 5.2), squeeze=False)
    of_nets = lineup(rows.assign(varied=None, varied_value=None))
    for axes, (column, words) in zip(panels[0], names.items(), strict=True):
        lines = series(done, at, done[column], "varied_value")
        if column == nets.score:
            chance = chance_line(axes, "y", nets.share, lines["y"])
            fraction_axis(axes, "y", [*done[column], *chance])
        else:
            _scale_amounts(axes, done[column].dropna())
        draw_series(axes, lines, of_nets)
        is_marked = (done["mark"] != "") & (column != nets.score)
        colors = done["net"].map(nets.colors)
        shown = colors != GREY
        faces = colors.mask(is_marked, "white")[shown]
        look_of_runs = {"s": 22, "c": faces, "ec": colors[shown], "alpha": 0.6}
        axes.scatter(at[shown], done[column][shown], zorder=4, clip_on=False, **look_of_runs)
        if column == SPEED:
            _draw_speed_intervals(axes, nets.done.assign(at=at), standing, of_nets)
        _mark_values(axes, values)
        axes.set_xlabel(done["varied"].iloc[0].replace("_", " "))
        axes.set_ylabel(words)
        last, own = ends(lines, of_nets)
        name_lines(axes, last["y"].to_dict(), own)
    nets.head(figure, *remarks(of_nets))
    if (nets.done["mark"] != "").any():
        handles = [legend_point("measured under other conditions", mfc="white")]
        figure.legend(handles=handles, loc="outside lower center")
    return figure


def _draw_speed_intervals(
    axes: Axes, done: pd.DataFrame, standing: Standing | None, nets: Lineup
) -> None:
    """An upright bar for each net that has a colour, at each value."""
    first = done.drop_duplicates("label").set_index("label")
    known = speed_intervals(done, standing)
    shown = [label for label in known if nets.colors[first["net"][label]] != GREY]
    bars = [
        ((first["at"][each], known[each].low), (first["at"][each], known[each].high))
        for each in shown
    ]
    interval_bars(axes, bars, [nets.colors[first["net"][each]] for each in shown])


def _positions(values: Sequence[int | float | str]) -> dict[int | float | str, float]:
    """Where the values stand on the axis: numbers at their size, with words at equal distances."""
    if any(isinstance(value, str) for value in values):
        return {value: float(place) for place, value in enumerate(values)}
    return {value: float(value) for value in values}


def _scale_amounts(axes: Axes, amounts: pd.Series) -> None:
    if amounts.max() >= DECADE * amounts.min() > 0:
        log_axis(axes, "y", amounts)
    else:
        axes.set_ylim(0, 1.08 * (amounts.max() or 1))
        axes.yaxis.set_major_formatter("{x:,.0f}")


def _mark_values(axes: Axes, values: Sequence[int | float | str]) -> None:
    places = list(_positions(values).values())
    is_number = not any(isinstance(value, str) for value in values)
    if is_number and places[-1] >= DECADE * places[0] > 0:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [as_text(value) for value in values])
    axes.tick_params(axis="x", rotation=45 if len(values) > MOST_LEVEL else 0)
    axes.margins(x=0.08)
    if len(places) > 1:
        axes.set_xlim(right=places[-1])  # where names begin
