"""Figures fit for a lecture, each drawn from a frame of results as the CSV holds it."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from adjustText import adjust_text
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from benchmarks.records import write_whole

STYLE = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.frameon": False,
}


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and let go of it."""
    image = io.BytesIO()
    figure.savefig(image, format="png")
    plt.close(figure)
    write_whole(path, image.getvalue())


@plt.rc_context(STYLE)
def accuracy(rows: pd.DataFrame) -> Figure:
    """Train and test accuracy by model, the mean over the seeds, each seed a faint dot."""
    split = _evaluated_on(rows)
    means = rows.groupby("model")[["train_accuracy", split]].mean().sort_values(split)
    positions = {model: position for position, model in enumerate(means.index)}
    figure, axes = plt.subplots(figsize=(8, 1.5 + 0.45 * len(means)))
    axes.hlines(range(len(means)), means.min(axis=1), means.max(axis=1), color="0.75", zorder=1)
    for column, color, face in (("train_accuracy", "C1", "white"), (split, "C0", "C0")):
        label = column.replace("_", " ")
        places = range(len(means))
        axes.scatter(
            means[column], places, s=70, color=color, facecolor=face, label=label, zorder=3
        )
        axes.scatter(rows[column], rows["model"].map(positions), s=12, color=color, alpha=0.4)
    for model, position in positions.items():
        value = means.loc[model, split]
        axes.annotate(
            f"{value:.3f}", (value, position), (0, 7), textcoords="offset points", ha="center"
        )
    axes.set_yticks(range(len(means)), means.index)
    axes.margins(x=0.08, y=0.12)
    axes.set_xlabel("accuracy")
    axes.set_title(_title(rows), loc="left")
    axes.legend(loc="lower right")
    return figure


@plt.rc_context(STYLE)
def accuracy_against_speed(rows: pd.DataFrame) -> Figure:
    """Test accuracy against examples/sec of training; the area of a point shows parameters."""
    split = _evaluated_on(rows)
    means = rows.groupby("model")[["examples_per_sec", split, "parameters"]].mean()
    figure, axes = plt.subplots(figsize=(8, 5))
    areas = 30 + 470 * means["parameters"] / means["parameters"].max()
    points = axes.scatter(means["examples_per_sec"], means[split], s=areas, alpha=0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(0.12)
    texts = [axes.text(row["examples_per_sec"], row[split], name) for name, row in means.iterrows()]
    adjust_text(texts, objects=points, ax=axes, arrowprops={"arrowstyle": "-", "color": "0.6"})
    axes.set_xlabel("training examples/sec (log scale)")
    axes.set_ylabel(split.replace("_", " "))
    axes.set_title(f"{_title(rows)}; area: parameters", loc="left")
    return figure


@plt.rc_context(STYLE)
def training_curves(curves: pd.DataFrame) -> Figure:
    """Loss and train accuracy by epoch, a line a model: the mean over the seeds."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharex=True)
    means = curves.groupby(["model", "epoch"])[["loss", "train_accuracy"]].mean().reset_index()
    colors = plt.get_cmap("tab10" if means["model"].nunique() <= 10 else "tab20")
    for axes, column in zip(panels, ("loss", "train_accuracy"), strict=True):
        for number, (model, line) in enumerate(means.groupby("model")):
            color = colors(number % colors.N)
            axes.plot(line["epoch"], line[column], marker="o", ms=4, color=color, label=model)
        axes.set_xlabel("epoch")
        axes.set_ylabel("training loss" if column == "loss" else "train accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return figure


@plt.rc_context(STYLE)
def kernel_size(rows: pd.DataFrame) -> Figure:
    """Compute time of a convolution by kernel size, beside its theoretical cost."""
    figure, (measured, theory) = plt.subplots(1, 2, figsize=(11, 4.5))
    for column, label in (("forward", "forward"), ("forward_backward", "forward + backward")):
        low, high = rows[f"{column}_q1_ms"], rows[f"{column}_q3_ms"]
        (line,) = measured.plot(
            rows["kernel_size"], rows[f"{column}_ms"], marker="o", label=f"{label}, median"
        )
        measured.fill_between(
            rows["kernel_size"], low, high, color=line.get_color(), alpha=0.25, lw=0
        )
    measured.set_ylabel("time (ms); band: interquartile range")
    measured.set_title("measured", loc="left")
    theory.plot(rows["kernel_size"], rows["macs"] / 1e6, marker="o", color="C2")
    theory.set_ylabel("million multiply-adds an image")
    theory.set_title("theory: both grow with the square", loc="left")
    per_parameter = (rows["macs"] / rows["parameters"]).iloc[0] / 1e6
    parameters = theory.secondary_yaxis(
        "right", functions=(lambda macs: macs / per_parameter, lambda p: p * per_parameter)
    )
    parameters.set_ylabel("parameters")
    parameters.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    for axes in (measured, theory):
        axes.set_xlabel("kernel size")
        axes.set_xticks(rows["kernel_size"])
        axes.set_ylim(bottom=0)
    measured.legend(loc="upper left")
    return figure


def _evaluated_on(rows: pd.DataFrame) -> str:
    return "test_accuracy" if rows["test_accuracy"].notna().any() else "validation_accuracy"


def _title(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return f"{first['dataset']}, protocol {first['protocol']}"
