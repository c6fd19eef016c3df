"""A sheet of images, each with a line or two below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.drawing import head
from benchmarks.report.style import INK, LINE_COLORS, for_text, look

COLUMNS = 8
_LONGEST = 19  # characters of a line below an image
_COARSE = 96  # px: smaller images are enlarged without smoothing
# In inches:
_CELL, _IMAGE, _LINE = 1.45, 1.25, 0.17
_TOP, _HEADING, _MARGIN = 0.95, 0.35, 0.2


@dataclass(frozen=True, eq=False)
class Tile:
    """An image, uint8 (H, W, 1 or 3), its class, and the predicted class with figures behind it."""

    pixels: np.ndarray
    true: str
    predicted: str
    figures: str


@dataclass(frozen=True)
class Group:
    """Images under a heading."""

    heading: str
    tiles: Sequence[Tile]

    @property
    def height(self) -> float:
        """In inches."""
        rows = -(-len(self.tiles) // COLUMNS)
        return _HEADING + rows * (_IMAGE + 2 * _LINE + _MARGIN)


@look(**{"figure.constrained_layout.use": False})
def image_sheet(title: str, subtitle: str, groups: Sequence[Group]) -> Figure:
    """The images of each group in rows, each with its true and its predicted class below it."""
    width = 2 * _MARGIN + COLUMNS * _CELL
    height = _TOP + sum(group.height for group in groups)
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    top = _TOP
    for group in groups:
        axes.text(_MARGIN, top, group.heading, va="top", fontsize="medium")
        _draw(axes, group.tiles, top + _HEADING)
        top += group.height
    # In inches from the upper left corner; the images would have changed the limits.
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes.axis("off")
    head(figure, title, subtitle)
    return figure


def _draw(axes: Axes, tiles: Sequence[Tile], top: float) -> None:
    wrong = for_text(LINE_COLORS[1])
    for number, tile in enumerate(tiles):
        row, column = divmod(number, COLUMNS)
        left = _MARGIN + column * _CELL
        upper = top + row * (_IMAGE + 2 * _LINE + _MARGIN)
        lower = upper + _IMAGE
        axes.imshow(
            np.broadcast_to(tile.pixels, (*tile.pixels.shape[:2], 3)),
            extent=(left, left + _IMAGE, lower, upper),
            interpolation="nearest" if len(tile.pixels) < _COARSE else "antialiased",
        )
        below = {_shortened(tile.true): INK, _shortened(tile.predicted, tile.figures): wrong}
        for line, (text, color) in enumerate(below.items()):
            at = lower + 0.04 + line * _LINE
            axes.text(left, at, text, color=color, fontsize=9, va="top")


def _shortened(name: str, figures: str = "") -> str:
    """A name with figures behind it, as much of it as has room below an image."""
    room = _LONGEST - len(figures)
    return (name if len(name) <= room else f"{name[: room - 1].rstrip()}…") + figures
