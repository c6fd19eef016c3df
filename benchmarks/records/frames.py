"""Records, and the CSV files made of them, as pandas frames."""

import io
from pathlib import Path

import pandas as pd

from benchmarks.records.record import COLUMNS, RunRecord
from benchmarks.records.storage import quarantine


def frame(records: list[RunRecord]) -> pd.DataFrame:
    """One row a run."""
    return pd.DataFrame([record.row() for record in records], columns=COLUMNS)


def curves(records: list[RunRecord]) -> pd.DataFrame:
    """One row an epoch of a run."""
    return _points(records, "history", ["epoch", "loss", "train_accuracy"])


def evaluations(records: list[RunRecord]) -> pd.DataFrame:
    """One row a measurement of accuracy on the way; none without `evaluate_every`."""
    return _points(records, "evaluations", ["epoch", "seconds", "accuracy"])


def _points(records: list[RunRecord], points: str, columns: list[str]) -> pd.DataFrame:
    names = ("model", "task", "seed")
    rows = [
        {name: getattr(record.setup, name) for name in (*names, "key")} | point
        for record in records
        for point in getattr(record, points)
    ]
    return pd.DataFrame(rows, columns=[*names, *columns, "key"])


def read_rows(path: Path) -> pd.DataFrame | None:
    """A CSV file of results, if it exists; a damaged one is named and set aside."""
    try:
        rows = pd.read_csv(io.BytesIO(path.read_bytes()), dtype={"key": str})
        if "key" not in rows:
            raise ValueError("it has no column of keys")
    except FileNotFoundError:
        return None
    except ValueError as error:
        quarantine(path, error)
        return None
    return rows
