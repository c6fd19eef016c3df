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
    columns = ["model", "task", "seed", "epoch", "loss", "train_accuracy", "key"]
    rows = [
        {name: getattr(record.setup, name) for name in ("model", "task", "seed", "key")} | epoch
        for record in records
        for epoch in record.history
    ]
    return pd.DataFrame(rows, columns=columns)


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
