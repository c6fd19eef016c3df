"""Plots of a comparison, each drawn from a frame with the columns of `results.csv`."""

import matplotlib.pyplot as plt
import pandas as pd
from adjustText import adjust_text
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.report.comparable import labels, marks
from benchmarks.report.style import LABEL_STEPS, WrittenOut, look
from benchmarks.report.table import in_words


@look()
def accuracy(rows: pd.DataFrame) -> Figure:
    """Train and test scores by model: the mean over the seeds, and each seed as a faint dot."""
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

    Hollow points were measured under other conditions, and their speeds are not to be compared.
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
    axes.set_title(_title(rows) + legend, loc="left", wrap=True)
    texts = [axes.text(row["examples_per_sec"], row[score], name) for name, row in means.iterrows()]
    figure.draw_without_rendering()  # fixes the positions of the points
    line = {"arrowstyle": "-", "color": "0.6"}
    adjust_text(texts, objects=points, ax=axes, iter_lim=LABEL_STEPS, arrowprops=line)
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
    colors = plt.get_cmap("tab10" if means["name"].nunique() <= 10 else "tab20")
    for axes, column in zip(panels, ("loss", "train_accuracy"), strict=True):
        for number, (name, line) in enumerate(means.groupby("name")):
            color = colors(number % colors.N)
            axes.plot(line["epoch"], line[column], marker="o", ms=4, color=color, label=name)
        axes.set_xlabel("epoch")
        axes.set_ylabel("training loss" if column == "loss" else in_words(column, curves))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return figure


def _scores(rows: pd.DataFrame) -> list[str]:
    """The scores that were measured after training, as columns; models are ordered by the last."""
    scores = (f"{split}_{s}" for s in ("accuracy", "mean_iou") for split in ("test", "validation"))
    return [score for score in scores if rows[score].notna().any()]


def _title(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return f"{first['dataset']}, protocol {first['protocol']}"
