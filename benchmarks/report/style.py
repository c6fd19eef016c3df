"""The look that all plots share, and how they are saved."""

import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from benchmarks.records.storage import write_atomic

_LOOK = {
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

# More colours than these cannot be told apart; grey is for the other lines.
LINE_COLORS = ("C0", "C1", "C2", "C3", "C4", "C5", "C6", "C8")
GREY = "0.82"

# By default adjustText moves labels for one second, so their places depend on the machine.
LABEL_STEPS = 100


def look(**settings: Any) -> Any:
    """The look of all plots, with settings of one's own, whatever the user's matplotlibrc says.

    It is both a context manager and a decorator of functions that draw.
    """
    return style.context(["default", {**_LOOK, **settings}])


class WrittenOut(LogFormatter):
    """Labels the same values as `LogFormatter`, written as 20,000."""

    def __call__(self, value: float, position: int | None = None) -> str:
        return f"{value:,.0f}" if super().__call__(value, position) else ""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and close it."""
    image = io.BytesIO()
    with look():
        figure.savefig(image, format="png")
    plt.close(figure)
    write_atomic(path, image.getvalue())
