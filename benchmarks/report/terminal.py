"""What a comparison shows in a terminal: its main columns, and where the rest is."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

import pandas as pd

from benchmarks.records.record import OK
from benchmarks.report import table
from benchmarks.report.comparable import annotated, comparable
from benchmarks.report.standing import Standing
from benchmarks.report.text import WIDTH, aligned, shortened, widths

GAP = "  "
LEAST_NAME = 10  # characters of a name in a line, as long as a column can go instead
_GO_FIRST = ("seconds", "place", "examples/sec")  # where there is no room
_FILES = ("report.html", "table.md", "results.csv", "plots")


def width() -> int:
    """The columns of the terminal, or `WIDTH` where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH


def terminal(rows: pd.DataFrame, standing: Standing | None, width: int) -> str:
    """Model, place, score, examples/sec and seconds of each row, then what failed and why.

    Long names go on in the next line. Where there is no room, columns are left out.

    Args:
        rows: runs, with the columns of `results.csv`.
        standing: places and intervals, as for `table.markdown`.
        width: of a line, in characters; 40 or more.
    """
    current = annotated(comparable(rows))
    shown = main_columns(current, standing)
    lines = list(_fitted(shown, width))
    failed = current[current["status"] != OK]
    lines += [
        shortened(f"{row.label} (seed {row.seed}) {row.status}: {row.error}", width)
        for row in failed.itertuples()
    ]
    return "\n".join(lines)


def main_columns(current: pd.DataFrame, standing: Standing | None) -> pd.DataFrame:
    """The cells of the main columns; the label, with its mark, is the model."""
    cells = table.cells(current, standing)
    marks = cells["model"].str.extract(r"( [⁰¹²³⁴-⁹]+)$", expand=False).fillna("")
    score = "mean IoU" if "mean IoU" in cells else table.accuracy_in_words(current)
    wanted = ["place", score, "examples/sec", "seconds"]
    return cells.assign(model=cells.index + marks)[["model", *(c for c in wanted if c in cells)]]


def where(folder: Path) -> str:
    """A line that names the files of a comparison."""
    files = [name for name in _FILES if (folder / name).exists()]
    return f"written to {folder}: {', '.join(files)}"


def _fitted(shown: pd.DataFrame, width: int) -> Iterator[str]:
    """The lines of a table that is narrow enough."""
    names = [len(name) for name in ("model", *shown["model"])]
    for column in _GO_FIRST:
        if width - _others(shown) >= min(LEAST_NAME, max(names)) or len(shown.columns) == 2:
            break
        shown = shown.drop(columns=column, errors="ignore")
    room = max(1, width - _others(shown))
    header = [table.short(column) for column in shown]
    rows = [header]
    for name, *cells in shown.to_numpy().tolist():
        first, *more = wrap(name, room) or [""]
        rows += [[first, *cells], *([line, *[""] * len(cells)] for line in more)]
    yield from (line.rstrip() for line in aligned(rows, GAP))


def _others(shown: pd.DataFrame) -> int:
    """The width of all columns but the first, with their gaps."""
    cells = [[table.short(column) for column in shown], *shown.to_numpy().tolist()]
    return sum(len(GAP) + width for width in widths(cells)[1:])
