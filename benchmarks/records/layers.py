"""The layers of a net as a file, `layers/<model>-<image size>px.csv`: derived from its code alone.

Whoever reads the file need not build the net, for which torch would be needed.
"""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from benchmarks.records.record import RunRecord
from benchmarks.records.storage import write_atomic
from datamodules import safe_name

COLUMNS = ("layer", "kind", "output", "parameters", "macs")


def write(folder: Path, record: RunRecord, layers: pd.DataFrame) -> None:
    """Write the layers of the net of a run, with `COLUMNS`, into the folder of its comparison."""
    write_atomic(_file(folder, record), layers.to_csv(index=False, columns=list(COLUMNS)))


def read(folder: Path, record: RunRecord) -> pd.DataFrame | None:
    """The layers of the net of a run, with `COLUMNS`; empty cells are empty text.

    Returns:
        None if there is no such file, or it is of another version of the net (`fits`).
    """
    try:
        text = _file(folder, record).read_text("utf-8")
        layers = pd.read_csv(io.StringIO(text), keep_default_na=False)[list(COLUMNS)]
        return layers if fits(layers, record) else None
    except (OSError, ValueError, KeyError):
        return None  # missing or damaged, and written anew by the next sweep


def fits(layers: pd.DataFrame, record: RunRecord) -> bool:
    """Whether the layers have together the parameters and MACs of the net that was trained."""
    found = (layers["parameters"].sum(), layers["macs"].sum())
    return found == (record.cost.parameters, record.cost.macs)


def _file(folder: Path, record: RunRecord) -> Path:
    setup = record.setup
    return folder / "layers" / f"{safe_name(setup.model)}-{setup.image_size}px.csv"
