"""Numbers and columns as text: compact amounts, values to the digits that they deserve."""

import math
from collections.abc import Sequence
from textwrap import fill

from benchmarks.analysis.intervals import Interval

WIDTH = 110  # of text files; their tables are within it for names of usual length

NOTHING = 1e-4  # of a value, below which half an interval is rounding or a coincidence

_UNITS = ("", "k", "M", "G", "T", "P")


def compact(number: float) -> str:
    """A count to three digits, such as 61.7 k, 11.2 M or 1.40 G; below a thousand, all of it."""
    for power, unit in enumerate(_UNITS):
        scaled = number / 1000**power
        if abs(scaled) < 999.5 or unit == _UNITS[-1]:
            break
    if not unit:
        return f"{scaled:,.0f}"
    rounded = float(f"{scaled:.3g}")
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f} {unit}"


def measured(interval: Interval, with_half: bool = True) -> str:
    """A value, and half its interval, to the digits that the interval leaves certain.

    The half has one digit, or two if the first is 1; the value is rounded to the same place. A
    value whose interval is unknown, or `NOTHING`, has two digits, or all before the point.
    """
    value = interval.estimate
    if not interval.is_known or interval.half < NOTHING * abs(value):
        return _rounded(value, min(0, _place(value) - 1))
    place = _place(interval.half)
    if f"{interval.half:e}"[0] == "1":
        place -= 1
    half = f" ± {_rounded(interval.half, place)}" if with_half else ""
    return _rounded(value, place) + half


def aligned(rows: Sequence[Sequence[str]], gap: str) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    sides = [str.ljust, *[str.rjust] * (len(rows[0]) - 1)]
    return [
        gap.join(
            side(cell, width) for cell, side, width in zip(row, sides, widths(rows), strict=True)
        )
        for row in rows
    ]


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """The longest cell of each column."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def filled(text: str) -> str:
    """Paragraphs and list items in lines of at most `WIDTH`."""
    return "\n".join(
        fill(
            line,
            WIDTH,
            subsequent_indent="  " * line.startswith("- "),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )


def shortened(text: str, width: int) -> str:
    """One line of at most so many characters."""
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def _place(value: float) -> int:
    """The power of ten of the first digit."""
    return math.floor(math.log10(abs(value))) if value else 0


def _rounded(value: float, place: int) -> str:
    """Rounded to a power of ten."""
    return f"{round(value, -place):,.{max(0, -place)}f}"
