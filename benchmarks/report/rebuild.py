"""Rebuilds table, CSV files and plots from records, without measuring anything."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.errors import UsageError
from benchmarks.records import frames, store
from benchmarks.records.record import RunRecord
from benchmarks.records.storage import lock, reason, write_atomic
from benchmarks.report import plots, table
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.standing import standing
from benchmarks.report.style import save
from benchmarks.report.terminal import terminal, where, width


def rebuild(folder: Path) -> str:
    """Write `results.csv`, `curves.csv`, `table.md`, `plots/` and `report.html` of one comparison.

    Also `evaluations.csv`, if accuracy was measured on the way.

    A plot that was drawn earlier is removed where there is nothing left to draw in it. A failure to
    write these files is reported in one line.

    Args:
        folder: `<results>/<dataset>/<protocol>`, with records in `runs/`.

    Returns:
        The main columns, as wide as the terminal, and a line on where the rest is.

    Raises:
        UsageError: no record can be read.
    """
    comparison = read(folder)
    try:
        with lock(folder, "report"):
            _write(comparison)
    except OSError as error:
        problem = f"table, CSV, plots and page cannot be written: {reason(error)}"
        print(f"benchmarks: {folder}: {problem}", file=sys.stderr)
    shown = terminal(comparison.rows, comparison.standing, width())
    return f"{shown}\n{where(folder)}"


def read(folder: Path) -> Comparison:
    """The runs of a comparison, and where they stand.

    Raises:
        UsageError: no record can be read.
    """
    found = store.load(folder)
    if not found:
        raise UsageError(f"no readable record in {folder / 'runs'}; `make bench` makes them")
    rows = frames.frame(found)
    return Comparison(folder, found, rows, standing(folder, found, rows))


def settings_by_key(records: Sequence[RunRecord]) -> Mapping[str, Mapping[str, Any]]:
    """By key of a run, the protocol it was trained under; without those of older records."""
    return {
        record.setup.key: record.setup.settings | {"train_examples": record.setup.train_examples}
        for record in records
        if record.setup.settings
    }


def _write(comparison: Comparison) -> None:
    folder, rows, records = comparison.folder, comparison.rows, list(comparison.records)
    for partial in (*folder.glob("*.part"), *folder.glob("plots/*.part")):
        partial.unlink()
    curves, evaluations = frames.curves(records), frames.evaluations(records)
    write_atomic(folder / "results.csv", rows.to_csv(index=False))
    write_atomic(folder / "curves.csv", curves.to_csv(index=False))
    if evaluations.empty:
        (folder / "evaluations.csv").unlink(missing_ok=True)
    else:
        write_atomic(folder / "evaluations.csv", evaluations.to_csv(index=False))
    markdown = table.markdown(rows, settings_by_key(records), comparison.standing)
    write_atomic(folder / "table.md", markdown + "\n")
    drawn = set()
    for name, figure in _figures(comparison, curves, evaluations):
        save(figure, folder / "plots" / f"{name}.png")
        drawn.add(name)
    for name in plots.NAMES - drawn:  # of earlier records, or of an earlier choice
        for suffix in (".png", ".svg"):
            (folder / "plots" / f"{name}{suffix}").unlink(missing_ok=True)
    # A sweep imports this module before it trains, and needs jinja2, plotly and itables after it.
    from benchmarks.report.html.page import page

    write_atomic(folder / "report.html", page(comparison))


def _figures(
    comparison: Comparison, curves: pd.DataFrame, evaluations: pd.DataFrame
) -> Iterator[tuple[str, Figure]]:
    """The plots by name, one at a time; none where no run ended well."""
    if not comparison.done.empty:
        current = comparison.current
        yield from plots.figures(current, curves, evaluations, comparison.standing)
        yield from plots.of_predictions(current, comparison.evidence.classified)
