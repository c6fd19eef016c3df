"""The look that all plots share, and how they are saved."""

import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib import style
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from benchmarks.records.storage import write_atomic

# Six colours of Okabe and Ito (2008, "Color Universal Design"), without their black and yellow, and
# Tol's indigo and wine (2021, "Colour schemes"). Readers with any of the three colour
# deficiencies can tell them apart; more than eight nobody can.
LINE_COLORS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7"),
    *("#e69f00", "#56b4e9", "#332288", "#882255"),
)
GREY = "#c4c4c4"  # for the lines that have no colour
FAINT = "#757575"  # for what explains a plot
INK = "#262626"

_LOOK = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 12,
    "axes.prop_cycle": cycler(color=LINE_COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.92",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "benchmarks",  # else the names of its parts are random
}

# What a rebuild would change though nothing else did.
_METADATA = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}

# WCAG 2.1, section 1.4.3: the least contrast of text.
_CONTRAST = 4.5


def look(**settings: Any) -> Any:
    """The look of all plots, with settings of one's own, whatever the user's matplotlibrc says.

    It is both a context manager and a decorator of functions that draw.
    """
    return style.context(["default", {**_LOOK, **settings}])


def for_text(color: str) -> tuple[float, float, float]:
    """The colour, as dark as text on white must be to be read."""
    red, green, blue = to_rgb(color)
    while contrast((red, green, blue)) < _CONTRAST:
        red, green, blue = 0.95 * red, 0.95 * green, 0.95 * blue
    return red, green, blue


def contrast(color: tuple[float, float, float]) -> float:
    """The contrast of a colour with white, from 1 to 21, after WCAG 2.1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (luminance + 0.05)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and beside it as SVG, the same bytes each time, and close it.

    Args:
        figure: what was drawn.
        path: of the PNG file.
    """
    images = {}
    with look():
        for suffix, metadata in _METADATA.items():
            image = io.BytesIO()
            figure.savefig(image, format=suffix[1:], metadata=metadata)
            images[suffix] = image.getvalue()
            figure.set_layout_engine("none")  # of the first file; another would cost a third more
    plt.close(figure)
    for suffix, content in images.items():
        write_atomic(path.with_suffix(suffix), content)
