"""Rebuilds table, CSV files and plots from records, without measuring anything."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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

    A failure to write these files is reported in one line.

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
    if not evaluations.empty:
        write_atomic(folder / "evaluations.csv", evaluations.to_csv(index=False))
    markdown = table.markdown(rows, settings_by_key(records), comparison.standing)
    write_atomic(folder / "table.md", markdown + "\n")
    if not comparison.done.empty:
        drawn = plots.figures(comparison.current, curves, evaluations, comparison.standing)
        for name, figure in drawn:
            save(figure, folder / "plots" / f"{name}.png")
        kept = comparison.evidence.classified
        for name, figure in plots.of_predictions(comparison.current, kept):
            save(figure, folder / "plots" / f"{name}.png")
    # A sweep imports this module before it trains, and needs jinja2, plotly and itables after it.
    from benchmarks.report.html.page import page

    write_atomic(folder / "report.html", page(comparison))
