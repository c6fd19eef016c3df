"""The accuracy of each net, with its interval and the nets that it is not separated from."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.analysis.intervals import ONE_TRAINING, Interval
from benchmarks.report.drawing import chance_line, fraction_axis, legend_point
from benchmarks.report.plots.lineup import Lineup, lineup
from benchmarks.report.standing import Standing
from benchmarks.report.style import FAINT, GREY, INK, look

MOST_LETTERS = 12  # that are drawn as bars
_MARKERS = {"train": "o", "accuracy": "D"}  # of the scores that do not order the rows


@look()
def accuracy(rows: pd.DataFrame, standing: Standing | None = None) -> Figure:
    """Scores by net, best first: the mean over the seeds, and each seed as a faint dot.

    At the right each score in numbers, its place, and bars that join the nets that are not
    separated. A net whose runs all failed has a row that says so.

    Args:
        rows: the runs of a table.
        standing: intervals and places, where accuracies count images.
    """
    nets = lineup(rows)
    means = nets.done.groupby("label")[["train_accuracy", *nets.scores]].mean()
    intervals = standing.intervals if standing else {}
    places = standing.places if standing else {}
    letters = _letters(places)
    heights = {label: float(-place) for place, label in enumerate(nets.labels)}
    longest = max(map(len, heights))
    size = (7 + 0.08 * longest + 0.25 * len(letters), 2 + 0.38 * len(heights))
    figure, (axes, side) = plt.subplots(
        1, 2, figsize=size, width_ratios=[30, max(0.01, 1.2 * len(letters))]
    )
    _draw_scores(axes, nets, means, heights)
    _draw_intervals(axes, nets, intervals, heights)
    shown = [*nets.done[["train_accuracy", *nets.scores]].stack()]
    shown += [end for label in means.index for end in _ends(intervals.get(label))]
    shown += chance_line(axes, "x", nets.share, means[nets.score])
    fraction_axis(axes, "x", shown)
    axes.set_xlabel(", ".join(nets.in_words(score.partition("_")[2]) for score in nets.scores))
    axes.set_yticks([*heights.values()], [*heights])
    axes.grid(axis="y", visible=False)
    numbers = axes.twinx()
    in_numbers = nets.runs.drop_duplicates("label").set_index("label")["status"].to_dict() | {
        label: _in_numbers(mean, intervals.get(label)) for label, mean in means[nets.score].items()
    }
    numbers.set_yticks([*heights.values()], [in_numbers[label] for label in heights])
    side.set_yticks(
        [heights[label] for label in places],
        [place if letters else place.partition(" ")[0] for place in places.values()],
    )
    _draw_letters(side, letters, heights)
    for each in (numbers, side):
        each.tick_params(axis="y", length=0)
        each.spines[:].set_visible(False)
        each.grid(visible=False)
    for each in (axes, numbers, side):
        each.set_ylim(0.6 - len(heights), 0.6)
    is_joined = any(len(members) > 1 for members in letters.values())
    nets.head(figure, "bars at the right join nets that are not separated" if is_joined else "")
    handles = _legend(nets, intervals)
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if len(handles) < 4 else 2)
    return figure


def _draw_scores(
    axes: Axes, nets: Lineup, means: pd.DataFrame, heights: Mapping[str, float]
) -> None:
    at = means.index.map(heights)
    others = ["train_accuracy", *nets.scores[:-1]]
    for column in others:
        marker = _MARKERS["train" if column == "train_accuracy" else "accuracy"]
        axes.scatter(
            means[column], at, s=38, marker=marker, facecolor="white", edgecolor=FAINT, zorder=3
        )
    colors = _colors(nets, means.index)
    axes.scatter(means[nets.score], at, s=75, color=colors, zorder=4)
    if nets.done["label"].duplicated().any():
        at = nets.done["label"].map(heights)
        axes.scatter(nets.done[nets.score], at, s=14, color="black", alpha=0.35, lw=0, zorder=5)


def _draw_intervals(
    axes: Axes, nets: Lineup, intervals: Mapping[str, Interval], heights: Mapping[str, float]
) -> None:
    known = {label: each for label, each in intervals.items() if each.is_known}
    lows, highs = ([getattr(each, end) for each in known.values()] for end in ("low", "high"))
    at, colors = [heights[label] for label in known], _colors(nets, known)
    axes.hlines(at, lows, highs, color=colors, alpha=0.4, lw=7, zorder=2)


def _draw_letters(
    axes: Axes, letters: Mapping[str, list[str]], heights: Mapping[str, float]
) -> None:
    """A bar for each letter, with a dot at each net that has it."""
    for place, members in enumerate(letters.values()):
        at = [heights[label] for label in members]
        axes.vlines(place, min(at), max(at), color=FAINT, lw=2)
        axes.scatter([place] * len(at), at, s=22, color=FAINT, zorder=3)
    axes.set_xlim(-0.6, max(len(letters), 1) - 0.4)
    axes.set_xticks([])


def _letters(places: Mapping[str, str]) -> dict[str, list[str]]:
    """The nets that have each letter; none where the bars would be too many."""
    found: dict[str, list[str]] = {}
    for label, place in places.items():
        for letter in place.partition(" ")[2]:
            found.setdefault(letter, []).append(label)
    return dict(sorted(found.items())) if len(found) <= MOST_LETTERS else {}


def _in_numbers(mean: float, interval: Interval | None) -> str:
    return f"{mean:.3f}" + (f" ± {interval.half:.3f}" if interval and interval.is_known else "")


def _legend(nets: Lineup, intervals: Mapping[str, Interval]) -> list[Line2D]:
    handles = [legend_point(nets.in_words(nets.score), ms=8)]
    if nets.done["label"].duplicated().any():
        handles.append(legend_point("one seed", ms=4, alpha=0.35))
    for column in ("train_accuracy", *nets.scores[:-1]):
        marker = _MARKERS["train" if column == "train_accuracy" else "accuracy"]
        hollow = {"marker": marker, "mfc": "white", "color": FAINT}
        handles.append(legend_point(nets.in_words(column), **hollow))
    known = [each for each in intervals.values() if each.is_known]
    if known:
        is_of_one = any(each.scope == ONE_TRAINING for each in known)
        over = "test images alone" if is_of_one else "seeds and test images"
        handles.append(Line2D([], [], color=INK, alpha=0.4, lw=7, label=f"95 % over {over}"))
    return handles


def _colors(nets: Lineup, names) -> list[str]:
    """The colours of the nets that these labels are of."""
    by_label = nets.done.drop_duplicates("label").set_index("label")["net"]
    colors = (nets.colors[by_label[name]] for name in names)
    return [FAINT if color == GREY else color for color in colors]


def _ends(interval: Interval | None) -> list[float]:
    return [interval.low, interval.high] if interval and interval.is_known else []
