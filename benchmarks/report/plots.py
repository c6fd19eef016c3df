"""Plots of a comparison, each drawn from a frame with the columns of `results.csv`."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from benchmarks.analysis.intervals import Interval
from benchmarks.planning.variation import as_text
from benchmarks.report.comparable import labels, marks, nets, values_in_order
from benchmarks.report.style import GREY, LABEL_STEPS, LINE_COLORS, WrittenOut, look
from benchmarks.report.table import in_words

DECADE = 10.0  # from this ratio of the largest to the smallest value on, an axis is logarithmic
MOST_NAMES = 20  # beside points, before they cover each other


@look()
def accuracy(rows: pd.DataFrame, intervals: Mapping[str, Interval] | None = None) -> Figure:
    """Train and test scores by model: the mean over the seeds, and each seed as a faint dot.

    Args:
        rows: the runs.
        intervals: of the accuracies after training, by label, drawn as bars.
    """
    scores, names = _scores(rows), labels(rows)
    columns = ["train_accuracy", *scores]
    means = rows.groupby(names)[columns].mean().sort_values(scores[-1])
    places = range(len(means))
    positions = dict(zip(means.index, places, strict=True))
    figure, axes = plt.subplots(figsize=(8, 2 + 0.45 * len(means)))
    axes.hlines(places, means.min(axis=1), means.max(axis=1), color="0.75", zorder=1)
    for column, color in zip(columns, ("C1", "C0", "C2"), strict=False):
        face = color if column in scores else "white"
        text = in_words(column, rows)
        axes.scatter(means[column], places, s=70, color=color, facecolor=face, label=text, zorder=3)
        axes.scatter(rows[column], names.map(positions), s=12, color=color, alpha=0.4)
    bars = {name: each for name, each in (intervals or {}).items() if name in positions}
    if bars:
        axes.hlines(
            [positions[name] for name in bars],
            [each.low for each in bars.values()],
            [each.high for each in bars.values()],
            color="C0",
            alpha=0.35,
            linewidth=7,
            label="95 % interval",
            zorder=2,
        )
    for model, position in positions.items():
        value = means.loc[model, scores[-1]]
        axes.annotate(
            f"{value:.3f}", (value, position), (0, 7), textcoords="offset points", ha="center"
        )
    axes.set_yticks(places, means.index)
    axes.margins(x=0.08)
    axes.set_ylim(-0.5, len(means) - 0.2)
    axes.set_xlabel(", ".join(in_words(score.partition("_")[2], rows) for score in scores))
    axes.set_title(_title(rows), loc="left", wrap=True)
    figure.legend(loc="outside lower center", ncols=len(columns))
    return figure


@look()
def accuracy_against_speed(rows: pd.DataFrame) -> Figure:
    """Test score against training examples/sec; the area of a point is the number of parameters.

    Hollow points were measured under other conditions, and their speeds are not to be compared. Of
    more than twenty models, those are named for which no other is both faster and better.
    """
    score, signs = _scores(rows)[-1], marks(rows)
    names = (labels(rows) + " " + signs).str.strip()
    means = rows.groupby(names)[["examples_per_sec", score, "parameters"]].mean()
    figure, axes = plt.subplots(figsize=(9, 6))
    areas = 30 + 470 * means["parameters"] / means["parameters"].max()
    is_marked = means.index.isin(names[signs != ""])
    faces = ["white" if marked else to_rgba("C0", 0.6) for marked in is_marked]
    points = axes.scatter(means["examples_per_sec"], means[score], s=areas, c=faces, ec="C0")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(WrittenOut())
    axes.xaxis.set_minor_formatter(WrittenOut())  # the only labels of a narrow range
    axes.margins(0.12)
    axes.set_xlabel("training examples/sec (log scale)")
    axes.set_ylabel(in_words(score, rows))
    legend = "; area: parameters" + ("; hollow: other conditions" if is_marked.any() else "")
    if len(means) > MOST_NAMES:
        by_speed = means.sort_values("examples_per_sec", ascending=False)
        means = by_speed[by_speed[score] >= by_speed[score].cummax()]
        legend += "; named: none is faster and better"
    axes.set_title(_title(rows) + legend, loc="left", wrap=True)
    texts = [axes.text(row["examples_per_sec"], row[score], name) for name, row in means.iterrows()]
    figure.draw_without_rendering()  # fixes the positions of the points
    line = {"arrowstyle": "-", "color": "0.6"}
    room = {"expand": (1.1, 1.5), "force_text": (0.4, 0.8)}  # between labels
    adjust_text(texts, objects=points, ax=axes, iter_lim=LABEL_STEPS, arrowprops=line, **room)
    return figure


@look()
def training_curves(rows: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Loss and train accuracy of these runs by epoch: the mean over the seeds, one line a model.

    Args:
        rows: the runs.
        curves: epochs of these and of other runs, with the columns of `curves.csv`.
    """
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharex=True)
    curves = curves.merge(rows[["key"]].assign(name=labels(rows)), on="key")
    means = curves.groupby(["name", "epoch"])[["loss", "train_accuracy"]].mean().reset_index()
    lines = means.groupby("name")
    colors = _line_colors(lines["train_accuracy"].last())
    for axes, column in zip(panels, ("loss", "train_accuracy"), strict=True):
        for name, color in colors.items():
            epochs = lines.get_group(name)
            _draw_line(axes, epochs["epoch"], epochs[column], name, color)
        axes.set_xlabel("epoch")
        axes.set_ylabel("training loss" if column == "loss" else in_words(column, curves))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _name_lines(figure, panels[0], colors, loc="outside right center")
    return figure


@look()
def accuracy_on_the_way(rows: pd.DataFrame, evaluations: pd.DataFrame) -> Figure:
    """Accuracy on the evaluated images by epoch and by seconds of training, one line a model.

    Args:
        rows: the runs.
        evaluations: of these and of other runs, with the columns of `evaluations.csv`.
    """
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    points = evaluations.merge(rows[["key"]].assign(name=labels(rows)), on="key")
    means = points.groupby(["name", "epoch"])[["seconds", "accuracy"]].mean().reset_index()
    lines = means.groupby("name")
    colors = _line_colors(lines["accuracy"].last())
    for axes, column in zip(panels, ("epoch", "seconds"), strict=True):
        for name, color in colors.items():
            line = lines.get_group(name)
            _draw_line(axes, line[column], line["accuracy"], name, color)
    split = "test" if rows["test_accuracy"].notna().any() else "validation"
    panels[0].set_ylabel(in_words(f"{split}_accuracy", points))
    panels[0].set_xlabel("epoch")
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[1].set_xlabel("seconds of training (log scale)")
    panels[1].set_xscale("log")
    panels[1].xaxis.set_major_formatter(WrittenOut())
    panels[1].xaxis.set_minor_formatter(WrittenOut())
    figure.suptitle(_title(rows), x=0.01, ha="left", wrap=True)
    _name_lines(figure, panels[0], colors, loc="outside right center")
    return figure


@look()
def knob(rows: pd.DataFrame) -> Figure:
    """Test score, training examples/sec and peak memory against the varied field, a line a model.

    Lines lead through the means over the seeds; each run is a faint dot. In the last two panels a
    dot is hollow if the run was measured under other conditions than most.
    """
    score, name = _scores(rows)[-1], rows["varied"].iloc[0]
    panels = {
        score: in_words(score, rows),
        "examples_per_sec": "training examples/sec",
        "peak_memory_mb": "peak memory in training (MiB)",
    }
    panels = {column: words for column, words in panels.items() if rows[column].notna().any()}
    values = values_in_order(rows["varied_value"])
    positions = _positions(values)
    lines = rows.groupby(nets(rows))
    colors = _line_colors(lines[score].mean())
    is_marked = marks(rows) != ""
    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 4.8), squeeze=False)
    for panel, (column, words) in zip(axes[0], panels.items(), strict=True):
        for line, color in colors.items():
            runs = lines.get_group(line)
            at = runs["varied_value"].map(positions)
            means = runs[column].groupby(at).mean().dropna()
            _draw_line(panel, means.index, means, line, color)
            if color == GREY:
                continue
            hollow = is_marked[runs.index] & (column != score)
            faces = [("white" if marked else color) for marked in hollow]
            panel.scatter(at, runs[column], s=24, c=faces, ec=color, alpha=0.5, zorder=3)
        _mark_values(panel, values, positions)
        panel.set_xlabel(name.replace("_", " "))
        panel.set_ylabel(words)
        if column != score:
            _scale_amounts(panel, rows[column])
    figure.suptitle(_title(rows), x=0.01, ha="left", wrap=True)
    _name_lines(figure, axes[0][0], colors, loc="outside lower center", ncols=3)
    return figure


def _line_colors(scores: pd.Series) -> dict[str, str]:
    """The colour of each line, best score first.

    Eight lines can be told apart by colour. Of more, eight spread from the best to the worst have
    one, and the others are grey.
    """
    names = scores.sort_values(ascending=False).index
    spread = np.linspace(0, len(names) - 1, min(len(names), len(LINE_COLORS))).round().astype(int)
    colors = dict(zip(names[spread], LINE_COLORS, strict=False))
    return {name: colors.get(name, GREY) for name in names}


def _draw_line(axes: Axes, x: pd.Series, y: pd.Series, name: str, color: str) -> None:
    if color == GREY:
        axes.plot(x, y, color=color, lw=1, zorder=1, label="_grey")  # not for a legend
    else:
        axes.plot(x, y, color=color, marker="o", ms=4, label=name)


def _name_lines(figure: Figure, axes: Axes, colors: dict[str, str], **place: Any) -> None:
    if others := list(colors.values()).count(GREY):
        axes.plot([], [], color=GREY, lw=1, label=f"{others} more")
    figure.legend(*axes.get_legend_handles_labels(), **place)


def _scores(rows: pd.DataFrame) -> list[str]:
    """The scores that were measured after training, as columns; models are ordered by the last."""
    scores = (f"{split}_{s}" for s in ("accuracy", "mean_iou") for split in ("test", "validation"))
    return [score for score in scores if rows[score].notna().any()]


def _title(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    # Matplotlib wraps a title at spaces alone.
    return f"{first['dataset']}, protocol {first['protocol'].replace('+', ' + ')}"


def _positions(values: Sequence[int | float | str]) -> dict[int | float | str, float]:
    """Where the values stand on the axis: numbers at their size, with words at equal distances."""
    if any(isinstance(value, str) for value in values):
        return {value: float(place) for place, value in enumerate(values)}
    return {value: float(value) for value in values}


def _scale_amounts(axes: Axes, amounts: pd.Series) -> None:
    if amounts.max() >= DECADE * amounts.min() > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(WrittenOut())
        axes.yaxis.set_minor_formatter(WrittenOut())
    else:
        axes.set_ylim(0, 1.08 * (amounts.max() or 1))
        axes.yaxis.set_major_formatter("{x:,.0f}")


def _mark_values(
    axes: Axes, values: Sequence[int | float | str], positions: dict[int | float | str, float]
) -> None:
    places = list(positions.values())
    is_number = not any(isinstance(value, str) for value in values)
    if is_number and places[-1] >= DECADE * places[0] > 0:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [as_text(value) for value in values])
    axes.tick_params(axis="x", rotation=45 if len(values) > 5 else 0)
    axes.margins(x=0.08)
