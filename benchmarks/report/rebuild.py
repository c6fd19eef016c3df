"""Rebuilds table, CSV files and plots from records, without measuring anything."""

import sys
from pathlib import Path

import pandas as pd

from benchmarks.errors import UsageError
from benchmarks.records import frames, store
from benchmarks.records.record import OK, RunRecord
from benchmarks.records.storage import lock, reason, write_atomic
from benchmarks.report import plots, table
from benchmarks.report.standing import Standing, evidence, standing
from benchmarks.report.style import save


def rebuild(folder: Path) -> str:
    """Write `results.csv`, `curves.csv`, `table.md`, `plots/` and `report.html` of one comparison.

    Also `evaluations.csv`, if accuracy was measured on the way.

    A failure to write these files is reported in one line, and the table is returned.

    Args:
        folder: `<results>/<dataset>/<protocol>`, with records in `runs/`.

    Returns:
        The table in markdown.

    Raises:
        UsageError: no record can be read.
    """
    found = store.load(folder)
    if not found:
        raise UsageError(f"no readable record in {folder / 'runs'}; `make bench` makes them")
    rows = frames.frame(found)
    settings = {
        record.setup.key: record.setup.settings | {"train_examples": record.setup.train_examples}
        for record in found
        if record.setup.settings
    }
    stands = standing(folder, found, rows)
    markdown = table.markdown(rows, settings, stands)
    try:
        with lock(folder, "report"):
            _write(folder, rows, found, markdown, stands)
    except OSError as error:
        problem = f"table, CSV, plots and page cannot be written: {reason(error)}"
        print(f"benchmarks: {folder}: {problem}", file=sys.stderr)
    return markdown


def _write(
    folder: Path,
    rows: pd.DataFrame,
    records: list[RunRecord],
    markdown: str,
    stands: Standing | None,
) -> None:
    for partial in (*folder.glob("*.part"), *folder.glob("plots/*.part")):
        partial.unlink()
    curves, evaluations = frames.curves(records), frames.evaluations(records)
    write_atomic(folder / "results.csv", rows.to_csv(index=False))
    write_atomic(folder / "curves.csv", curves.to_csv(index=False))
    if not evaluations.empty:
        write_atomic(folder / "evaluations.csv", evaluations.to_csv(index=False))
    write_atomic(folder / "table.md", markdown + "\n")
    current = table.comparable(rows)
    if (current["status"] == OK).any():
        for name, figure in plots.figures(current, curves, evaluations, stands):
            save(figure, folder / "plots" / f"{name}.png")
        kept = evidence(folder, records, rows).classified
        for name, figure in plots.of_predictions(current, kept):
            save(figure, folder / "plots" / f"{name}.png")
    write_atomic(folder / "report.html", _page(folder, rows, records, stands))


def _page(
    folder: Path, rows: pd.DataFrame, records: list[RunRecord], stands: Standing | None
) -> str:
    # A sweep imports this module before it trains, and needs jinja2, plotly and itables after it.
    from benchmarks.report.html.comparison import Comparison
    from benchmarks.report.html.page import page

    return page(Comparison(folder, records, rows, stands))
