"""Figures fit for a lecture, each drawn from a frame of results as the CSV holds it."""

import io
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import FuncFormatter, LogFormatter, LogLocator, MaxNLocator

from benchmarks.records.storage import write_atomic
from benchmarks.report.table import in_words

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

# By default labels are moved for a second, and so to other places every time.
LABEL_STEPS = 100


class WrittenOut(LogFormatter):
    """Labels the values that `LogFormatter` does, as in 20,000."""

    def __call__(self, value: float, position: int | None = None) -> str:
        return f"{value:,.0f}" if super().__call__(value, position) else ""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and let go of it."""
    image = io.BytesIO()
    figure.savefig(image, format="png")
    plt.close(figure)
    write_atomic(path, image.getvalue())


@plt.rc_context(STYLE)
def accuracy(rows: pd.DataFrame) -> Figure:
    """Train and test scores by model, the mean over the seeds, each seed a faint dot."""
    scores = _scores(rows)
    columns = ["train_accuracy", *scores]
    means = rows.groupby("model")[columns].mean().sort_values(scores[-1])
    positions = {model: position for position, model in enumerate(means.index)}
    figure, axes = plt.subplots(figsize=(8, 2 + 0.45 * len(means)))
    axes.hlines(range(len(means)), means.min(axis=1), means.max(axis=1), color="0.75", zorder=1)
    for column, color in zip(columns, ("C1", "C0", "C2"), strict=False):
        face = color if column in scores else "white"
        text = in_words(column, rows)
        places = range(len(means))
        axes.scatter(means[column], places, s=70, color=color, facecolor=face, label=text, zorder=3)
        axes.scatter(rows[column], rows["model"].map(positions), s=12, color=color, alpha=0.4)
    for model, position in positions.items():
        value = means.loc[model, scores[-1]]
        axes.annotate(
            f"{value:.3f}", (value, position), (0, 7), textcoords="offset points", ha="center"
        )
    axes.set_yticks(range(len(means)), means.index)
    axes.margins(x=0.08)
    axes.set_ylim(-0.5, len(means) - 0.2)
    axes.set_xlabel(", ".join(in_words(score.partition("_")[2], rows) for score in scores))
    axes.set_title(_title(rows), loc="left", wrap=True)
    figure.legend(loc="outside lower center", ncols=len(columns))
    return figure


@plt.rc_context(STYLE)
def accuracy_against_speed(rows: pd.DataFrame) -> Figure:
    """Test score against examples/sec of training; the area of a point shows parameters."""
    score = _scores(rows)[-1]
    means = rows.groupby("model")[["examples_per_sec", score, "parameters"]].mean()
    figure, axes = plt.subplots(figsize=(9, 6))
    areas = 30 + 470 * means["parameters"] / means["parameters"].max()
    points = axes.scatter(means["examples_per_sec"], means[score], s=areas, alpha=0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(WrittenOut())
    axes.xaxis.set_minor_formatter(WrittenOut())  # labels where the range is narrow
    axes.margins(0.12)
    axes.set_xlabel("training examples/sec (log scale)")
    axes.set_ylabel(in_words(score, rows))
    axes.set_title(f"{_title(rows)}; area: parameters", loc="left", wrap=True)
    texts = [axes.text(row["examples_per_sec"], row[score], name) for name, row in means.iterrows()]
    figure.draw_without_rendering()  # only then is it known where points lie
    adjust_text(
        texts,
        objects=points,
        ax=axes,
        iter_lim=LABEL_STEPS,
        arrowprops={"arrowstyle": "-", "color": "0.6"},
    )
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
        axes.set_ylabel("training loss" if column == "loss" else in_words(column, curves))
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


@plt.rc_context(STYLE)
def peers(rows: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Our loop's speed over that of each other loop, a line a model; bars: quartiles."""
    models = rows["model"].unique()[::-1]
    labels = rows.drop_duplicates("model").set_index("model").loc[models]
    others = [loop for loop in names if loop in set(rows["loop"])][1:]
    figure, axes = plt.subplots(figsize=(9, 2 + 0.55 * len(models)))
    axes.axvline(1, color="0.3", lw=1)
    for number, loop in enumerate(others):
        own = rows[rows["loop"] == loop].set_index("model").reindex(models)
        places = np.arange(len(models)) + 0.12 * ((len(others) - 1) / 2 - number)
        middle = own["ratio_median"]
        spread = [middle - own["ratio_q1"], own["ratio_q3"] - middle]
        axes.errorbar(middle, places, xerr=spread, fmt="o", ms=7, label=names[loop])
    axes.set_yticks(
        range(len(models)),
        [f"{row.Index}, {row.image_size} px" for row in labels.itertuples()],
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("times as fast as (log scale; bar: interquartile range)")
    axes.set_title("Our training loop against others", loc="left")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@plt.rc_context({**STYLE, "axes.grid": False})
def effective_receptive_field(rows: pd.DataFrame, maps: Mapping[str, np.ndarray]) -> Figure:
    """What one position looks at, a panel a model, each as large as the theoretical field.

    `maps` holds an (H, W) array a model, its largest weight 1; grey is outside the image.
    """
    rows = rows.sort_values("theoretical_size", kind="stable")
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    figure, panels = plt.subplots(
        lines, columns, figsize=(3 * columns + 1, 3.3 * lines + 0.6), squeeze=False
    )
    for axes, row in zip(panels.flat, rows.itertuples(), strict=False):
        height, width = maps[row.model].shape
        picture = axes.imshow(
            maps[row.model].astype(np.float32),
            norm=PowerNorm(0.5, 0, 1),
            cmap="magma",
            extent=(0, width, height, 0),
        )
        corner, side = (row.first_column, row.first_row), row.theoretical_size
        centre = [start + side / 2 for start in corner]
        line = {"fill": False, "lw": 2}
        axes.add_patch(
            Rectangle(corner, side, side, ls="--", color="white", label="theoretical field", **line)
        )
        for radius, color, label in (
            (row.radius_half, "C9", "half of the gradient"),
            (row.radius_95, "C2", "95 % of the gradient"),
        ):
            axes.add_patch(Circle(centre, radius, color=color, label=label, **line))
        view = 0.54 * side
        axes.set_xlim(centre[0] - view, centre[0] + view)
        axes.set_ylim(centre[1] + view, centre[1] - view)
        axes.set_facecolor("0.4")
        axes.set_title(f"{row.model}, {side} px", loc="left")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for axes in panels.flat[len(rows) :]:
        axes.set_axis_off()
    figure.legend(
        handles=panels[0, 0].patches,
        loc="outside lower left",
        ncols=3,
        frameon=True,
        facecolor="0.2",
        labelcolor="white",
    )
    figure.colorbar(picture, ax=panels, label="gradient, its maximum = 1", shrink=0.8)
    return figure


def _scores(rows: pd.DataFrame) -> list[str]:
    """The columns of what was measured after training; by the last of them models are ranked."""
    scores = (f"{split}_{s}" for s in ("accuracy", "mean_iou") for split in ("test", "validation"))
    return [score for score in scores if rows[score].notna().any()]


def _title(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return f"{first['dataset']}, protocol {first['protocol']}"
