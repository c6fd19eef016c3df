"""Records in, table and plots out; nothing here measures anything."""

from pathlib import Path

from benchmarks import records
from benchmarks.errors import UsageError
from benchmarks.records import OK
from benchmarks.report import plots, table


def rebuild(folder: Path) -> str:
    """Write `results.csv`, `curves.csv`, `table.md` and `plots/` of one comparison.

    Args:
        folder: `<results>/<dataset>/<protocol>`, with records in `runs/`.

    Returns:
        The table, in markdown.

    Raises:
        UsageError: none of the records can be read.
    """
    found = records.load(folder)
    if not found:
        raise UsageError(f"no readable record in {folder / 'runs'}; `make bench` makes them")
    rows = records.frame(found)
    curves = records.curves(found)
    markdown = table.markdown(rows)
    rows.to_csv(folder / "results.csv", index=False)
    curves.to_csv(folder / "curves.csv", index=False)
    (folder / "table.md").write_text(markdown + "\n")
    current = table.comparable(rows)
    current = current[current["status"] == OK]
    if not current.empty:
        curves = curves[curves["key"].isin(current["key"])]
        plots.save(plots.accuracy(current), folder / "plots" / "accuracy.png")
        plots.save(plots.accuracy_against_speed(current), folder / "plots" / "speed.png")
        plots.save(plots.training_curves(curves), folder / "plots" / "curves.png")
    return markdown
