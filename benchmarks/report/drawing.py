"""What several plots draw: axes with a least range, names beside lines and points, intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from scipy.optimize import isotonic_regression

from benchmarks.report.style import FAINT, GREY, INK, for_text

LEAST_POINTS = 0.05  # of an axis of fractions, so that chance differences do not fill it
LEAST_FACTOR = 4.0  # from the lower to the upper end of a logarithmic axis
MARGIN = 0.1  # of the range, at both ends of an axis
NEAR_CHANCE = 0.1
LINE_HEIGHT = 1.35  # of a text, in font sizes

_ROOM = np.array([6.0, 2.0])  # around a name, in points
_LINE = np.array([-1.0, -1.0, 1.0, 1.0])  # around a line
_TOUCH = 0.3  # cost of what a name covers, however little; 1: of being as far away as can be
_LEADER = 4.0  # from this distance on, a line leads from a point to its name

Segment = tuple[tuple[float, float], tuple[float, float]]

_UNITS = {1e15: "P", 1e12: "T", 1e9: "G", 1e6: "M"}


def head(figure: Figure, title: str, subtitle: str = "") -> None:
    """A title at the left, with a smaller line below it."""
    top = figure.suptitle(f"{title}\n " if subtitle else title, x=0.01, ha="left", wrap=True)
    if subtitle:
        place: dict[str, Any] = {"xy": (0, 0), "xycoords": top, "va": "bottom", "ha": "left"}
        figure.add_artist(Annotation(subtitle, **place, fontsize="small", color=FAINT))


def amount(value: float) -> str:
    """A number as an axis writes it: `0.5`, `20,000`, `11 M`, `1.5 T`."""
    for size, unit in _UNITS.items():
        if abs(value) >= size:
            return f"{value / size:,.3g} {unit}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def with_least_range(values: Iterable[float], least: float) -> tuple[float, float]:
    """The ends of an axis that shows all values and is at least so long."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite), max(finite)
    margin = MARGIN * (high - low)
    low, high = low - margin, high + margin
    missing = max(0.0, least - (high - low)) / 2
    return low - missing, high + missing


def fraction_axis(
    axes: Axes, which: str, values: Iterable[float], least: float = LEAST_POINTS
) -> None:
    """An axis of accuracies or other fractions of 1.

    Args:
        axes: where `values` are drawn.
        which: x or y.
        values: all that is drawn along this axis.
        least: its least range.
    """
    low, high = with_least_range(values, least)
    over = max(0.0, high - 1 - MARGIN * least)  # room for a point at 1
    axes.set(**{f"{which}lim": (max(low - over, -MARGIN * least), high - over)})


def log_axis(axes: Axes, which: str, values: Iterable[float], least: float = LEAST_FACTOR) -> None:
    """A logarithmic axis with written-out numbers.

    Args:
        axes: where `values` are drawn.
        which: x or y.
        values: all that is drawn along this axis, positive.
        least: the least ratio of its ends.
    """
    low, high = np.exp(with_least_range(np.log(list(values)), math.log(least)))
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 2_000 * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: amount(value)))
    axis.set_minor_formatter(NullFormatter())


def epoch_axis(axes: Axes, epochs: Iterable[float]) -> None:
    """An axis of whole epochs, as short as the epochs, so that lines end where it ends."""
    first, last = min(epochs := list(epochs)), max(epochs)
    axes.set_xlim(first if first < last else first - 0.5, last)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")


def chance_line(axes: Axes, which: str, share: float, scores: Iterable[float]) -> list[float]:
    """A dashed line at the accuracy of guessing, where a score is near it.

    Returns:
        The values that the axis must show for it.
    """
    if not share >= min(scores) - NEAR_CHANCE:  # NaN where it is not known
        return []
    line, place = (axes.axvline, (share, 1)) if which == "x" else (axes.axhline, (1, share))
    line(share, color=FAINT, ls="--", lw=1, zorder=1)
    where = {"x": axes.get_xaxis_transform, "y": axes.get_yaxis_transform}[which]()
    align: dict[str, Any] = {"ha": "center" if which == "x" else "right", "va": "bottom"}
    at, level = place
    axes.text(at, level, "chance", transform=where, color=FAINT, fontsize="small", **align)
    return [share]


def interval_bars(axes: Axes, bars: Sequence[Segment], colors: Sequence[Any]) -> None:
    """Thin bars, upright or level, from the lower to the upper end of each interval."""
    axes.add_collection(LineCollection(bars, colors=colors, lw=1.2, zorder=2), autolim=False)


def name_lines(axes: Axes, ends: Mapping[str, float], colors: Mapping[str, str]) -> None:
    """Name lines right of the axes, each at its last value; close names are moved apart.

    Args:
        axes: with its limits set; the lines reach its right end.
        ends: the last value of each line.
        colors: of each line; those in grey have no name.
    """
    names = sorted((name for name in ends if colors[name] != GREY), key=lambda name: ends[name])
    if not names:
        return
    figure = _laid_out(axes)
    ends_in_axes = axes.transData.transform([(1, ends[name]) for name in names])
    fractions = axes.transAxes.inverted().transform(ends_in_axes)[:, 1]
    height = axes.get_window_extent().height * 72 / figure.dpi
    places = apart(
        fractions.tolist(), LINE_HEIGHT * float(axes.xaxis.label.get_fontsize()) / height
    )
    line = {"arrowstyle": "-", "relpos": (0, 0.5), "shrinkA": 0, "shrinkB": 0, "lw": 0.8}
    for name, at, place in zip(names, fractions, places, strict=True):
        color = colors[name]
        axes.annotate(
            name,
            (1, at),
            (1.04, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            color=for_text(color),
            arrowprops=line | {"color": color},
        )


def _laid_out(axes: Axes) -> Figure:
    """The figure, after its layout has fixed where the axes are."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    return figure


def legend_point(label: str, **options: Any) -> Line2D:
    """A point that a legend explains."""
    return Line2D([], [], label=label, **{"ls": "", "marker": "o", "color": INK} | options)


def apart(places: Sequence[float], distance: float) -> np.ndarray:
    """Places in [0, 1] at least so far apart, as near to the given ones as squares tell.

    Args:
        places: ascending.
        distance: between neighbours; less where they have no room.
    """
    distance = min(distance, 1 / max(1, len(places) - 1))
    steps = distance * np.arange(len(places))
    moved = isotonic_regression(np.asarray(places) - steps).x + steps
    return np.clip(moved, steps, 1 - steps[::-1])


def name_points(
    axes: Axes,
    points: Mapping[str, tuple[float, float]],
    colors: Mapping[str, str],
    around: PathCollection,
    segments: Iterable[Segment] = (),
) -> None:
    """Name points, each at the nearest place where its name covers least.

    Args:
        axes: with its limits set.
        points: x and y of each name; the first choose first.
        colors: of the names.
        around: all drawn points.
        segments: level and upright lines that names shall not cover either, by their ends.
    """
    texts = {name: axes.text(*points[name], name, color=for_text(colors[name])) for name in points}
    figure = _laid_out(axes)
    pixel = figure.dpi / 72  # of a point, 1/72 inch
    lines = [np.sort(axes.transData.transform(each), axis=0).ravel() for each in segments]
    dots = _boxes(around, pixel)
    taken = np.array([*dots, *(line + pixel * _LINE for line in lines)])
    frame = np.array([axes.get_window_extent().extents])
    for name, text in texts.items():
        at = axes.transData.transform(points[name])
        size = text.get_window_extent().size + pixel * _ROOM
        dot = dots[np.abs(dots[:, :2] + dots[:, 2:] - 2 * at).sum(axis=1).argmin()]
        radius = (dot[2] - dot[0]) / 2
        boxes, distances = _candidates(at, radius, size, pixel)
        shared, area = _shared(boxes, taken), float(np.prod(size))
        covered = shared.sum(axis=1) / area + _TOUCH * (shared > 0).sum(axis=1)
        outside = 1 - _shared(boxes, frame)[:, 0] / area
        costs = covered + 10 * outside + distances
        best = boxes[costs.argmin()]
        taken = np.vstack([taken, best])
        centre = (best[:2] + best[2:]) / 2
        text.set(position=axes.transData.inverted().transform(centre), ha="center", va="center")
        nearest = np.clip(at, best[:2], best[2:])
        distance = np.linalg.norm(nearest - at)
        if distance > radius + _LEADER * pixel:
            edge = at + (nearest - at) * radius / distance
            ends = axes.transData.inverted().transform([edge, nearest])
            axes.plot(*ends.T, color=FAINT, lw=0.8, zorder=2.5)


def _candidates(
    at: np.ndarray, radius: float, size: np.ndarray, pixel: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes around a point, (n, 4), and how far away each is, from 0 to 1."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False) + np.pi / 6
    boxes, costs = [], []
    for gap in range(0, 90, 6):
        for turn, angle in enumerate(angles):
            direction = np.array([np.cos(angle), np.sin(angle)])
            # Half the box fits between the point and its centre along each axis.
            centre = (
                at + direction * (radius + gap * pixel) + np.clip(1.5 * direction, -1, 1) * size / 2
            )
            boxes.append([*(centre - size / 2), *(centre + size / 2)])
            costs.append(gap / 90 + 0.002 * turn)
    return np.array(boxes), np.array(costs)


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The area that each of n boxes shares with each of m others, (n, m)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.prod(np.maximum(0, high - low), axis=2)


def _boxes(points: PathCollection, pixel: float) -> np.ndarray:
    """Squares around points, in pixels, (n, 4)."""
    centres = points.get_offset_transform().transform(points.get_offsets())
    radii = np.sqrt(np.resize(points.get_sizes(), len(centres))) / 2 * pixel
    return np.hstack([centres - radii[:, None], centres + radii[:, None]])
