"""Studies, one question a file, each with two functions that return its table in markdown.

`run(folder, device, force, data_dir)` measures, unless `results.csv` already holds the measurement,
and writes `results.csv` and files for whatever a row cannot hold. `rebuild(folder)` makes the table
and the plots from these files. `data_dir` is the folder of datasets.
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from benchmarks.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


def names() -> list[str]:
    """The names of all studies."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def rows_of(folder: Path) -> "pd.DataFrame":
    """The measurements of a study.

    Raises:
        UsageError: there are none, or their file is damaged.
    """
    from benchmarks.records.frames import read_rows

    rows = read_rows(folder / "results.csv")
    if rows is None:
        raise UsageError(f"{folder} has no results; `make study STUDY={folder.name}` makes them")
    return rows


def is_measured(folder: Path, key: str) -> bool:
    """Whether all measurements of a study have this key."""
    from benchmarks.records.frames import read_rows

    rows = read_rows(folder / "results.csv")
    return rows is not None and bool((rows["key"] == key).all())
