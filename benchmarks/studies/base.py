"""What all studies share: rows that are measured once, and the files made from these rows."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch
from matplotlib.figure import Figure

from benchmarks.errors import UsageError
from benchmarks.machine.timing_lock import timing
from benchmarks.planning.fingerprint import digest, source_digest
from benchmarks.records.frames import read_rows
from benchmarks.records.record import now
from benchmarks.records.storage import write_atomic
from benchmarks.records.store import identity
from benchmarks.report.style import save

PRESENTATION = ("rebuild", "plot", "table")  # functions of a study that change no row


def code_digest(file: str) -> str:
    """The hash of a study's file without the functions that present its rows."""
    return source_digest(Path(file), without=PRESENTATION)


def measure_once(
    folder: Path,
    inputs: Sequence[object],
    measure: Callable[[], pd.DataFrame],
    *,
    force: bool,
    model: str | None = None,
) -> None:
    """Write rows with their key to `results.csv`, unless rows with this key are there.

    Args:
        folder: `<results>/studies/<study>`.
        inputs: all that can change the rows, apart from PyTorch and the machine.
        force: measure in any case.
        model: replace the rows of this model alone; None: all rows.
    """
    key = digest([inputs, torch.__version__, identity(folder.parents[1])])[:16]
    known = read_rows(folder / "results.csv")
    if force or known is None or key not in set(known["key"]):
        with timing():
            rows = measure().assign(finished_at=now(), key=key)
        if model is not None and known is not None:
            rows = pd.concat([known[known["model"] != model], rows])
        write_atomic(folder / "results.csv", rows.to_csv(index=False))


def rebuild(
    folder: Path,
    plot: Callable[[pd.DataFrame], Figure],
    table: Callable[[pd.DataFrame], tuple[pd.DataFrame, str]],
) -> str:
    """Write the plot, and `table.md` with a text under the table; returns the latter.

    Raises:
        UsageError: `results.csv` is missing or damaged.
    """
    rows = read_rows(folder / "results.csv")
    if rows is None:
        raise UsageError(f"{folder} has no results; `make study STUDY={folder.name}` makes them")
    save(plot(rows), folder / "plots" / f"{folder.name}.png")
    shown, text = table(rows)
    markdown = f"{shown.to_markdown(index=False, disable_numparse=True)}\n\n{text}"
    write_atomic(folder / "table.md", markdown + "\n")
    return markdown
