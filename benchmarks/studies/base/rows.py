"""The rows of a study in `results.csv`; cells that are arrays lie in `arrays/<key>.npz`."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.errors import UsageError
from benchmarks.records.frames import read_rows
from benchmarks.records.storage import lock, quarantine, write_atomic

_ARRAY = "array "  # begins the text that stands in the CSV for an array


def read(folder: Path) -> pd.DataFrame | None:
    """The rows, arrays included; None if nothing readable is there.

    Raises:
        UsageError: arrays are missing or damaged.
    """
    rows = read_rows(folder / "results.csv")
    if rows is None:
        return None
    for column in rows.select_dtypes(exclude="number"):
        held = rows[column].astype(str).str.startswith(_ARRAY)
        if not held.any():
            continue
        rows[column] = rows[column].astype(object)
        for key, own in rows[held].groupby("key", sort=False):
            cells = _read_arrays(folder / "arrays" / f"{key}.npz", column, len(own))
            for index, cell in zip(own.index, cells, strict=True):
                rows.at[index, column] = cell
    return rows


def replace(folder: Path, rows: pd.DataFrame, key: str, part: str | None, value: str) -> None:
    """Write rows of one key, in place of those with the same `value` in the column `part`.

    Args:
        folder: `<results>/studies/<study>`.
        rows: what was measured; cells may be arrays.
        part: the column that tells what is measured separately; None, or not among the columns of
            the rows that are there: all rows are replaced.
    """
    is_array = rows.map(lambda cell: isinstance(cell, np.ndarray)).any()
    if is_array.any():
        packed = io.BytesIO()
        cells: dict[str, Any] = {
            f"{column}/{n}": cell
            for column in rows.columns[is_array]
            for n, cell in enumerate(rows[column])
        }
        np.savez_compressed(packed, **cells)
        write_atomic(folder / "arrays" / f"{key}.npz", packed.getvalue())
    texts = {name: rows[name].map(_as_text) for name in rows.columns[is_array]}
    own = rows.assign(**texts, key=key)
    with lock(folder, "results"):
        known = read_rows(folder / "results.csv")
        if part is not None and known is not None and part in known:
            own = pd.concat([known[known[part] != value], own], ignore_index=True)
        write_atomic(folder / "results.csv", own.to_csv(index=False))
        for path in folder.glob("arrays/*.npz"):
            if path.stem not in set(own["key"]):
                path.unlink()


def _as_text(array: np.ndarray) -> str:
    return f"{_ARRAY}{' x '.join(map(str, array.shape))}"


def _read_arrays(path: Path, column: str, count: int) -> list[np.ndarray]:
    try:
        with np.load(io.BytesIO(path.read_bytes())) as cells:
            return [cells[f"{column}/{n}"] for n in range(count)]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        if path.exists():
            quarantine(path, error)
        folder = path.parents[1]
        raise UsageError(
            f"{folder} lacks arrays; `make study STUDY={folder.name} FORCE=1` measures again"
        ) from None
