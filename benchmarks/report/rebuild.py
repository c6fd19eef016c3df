"""Rebuilds table, CSV files and plots from records, without measuring anything."""

import sys
from pathlib import Path

import pandas as pd

from benchmarks.errors import UsageError
from benchmarks.records import frames, store
from benchmarks.records.record import OK, RunRecord
from benchmarks.records.storage import lock, reason, write_atomic
from benchmarks.report import plots, table
from benchmarks.report.standing import Standing, standing
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
    current = current[current["status"] == OK]
    if not current.empty:
        intervals = stands.intervals if stands else None
        save(plots.accuracy(current, intervals), folder / "plots" / "accuracy.png")
        save(plots.accuracy_against_speed(current), folder / "plots" / "speed.png")
        if current["varied"].notna().any():
            save(plots.knob(current), folder / "plots" / "vary.png")
        save(plots.training_curves(current, curves), folder / "plots" / "curves.png")
        if evaluations["key"].isin(current["key"]).any():
            on_the_way = plots.accuracy_on_the_way(current, evaluations)
            save(on_the_way, folder / "plots" / "on_the_way.png")
    write_atomic(folder / "report.html", _page(folder, rows, records, stands))


def _page(
    folder: Path, rows: pd.DataFrame, records: list[RunRecord], stands: Standing | None
) -> str:
    # A sweep imports this module before it trains, and needs jinja2, plotly and itables after it.
    from benchmarks.report.html.comparison import Comparison
    from benchmarks.report.html.page import page

    return page(Comparison(folder, records, rows, stands))
