"""One file a question, each with two functions that return its table in markdown.

`run(folder, device, force, data_dir)` measures, unless that is done, and writes `results.csv`, and
beside it what a row cannot hold; `rebuild(folder)` draws table and plots from these. `data_dir` is
where datasets are looked for.
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
    """The studies at hand."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def rows_of(folder: Path) -> "pd.DataFrame":
    """What a study has measured.

    Raises:
        UsageError: nothing, or what it wrote is damaged.
    """
    from benchmarks.records.record import read_rows

    rows = read_rows(folder / "results.csv")
    if rows is None:
        raise UsageError(f"{folder} has no results; `make study STUDY={folder.name}` makes them")
    return rows


def is_measured(folder: Path, key: str) -> bool:
    """Whether the results of a study are those of this key."""
    from benchmarks.records.record import read_rows

    rows = read_rows(folder / "results.csv")
    return rows is not None and bool((rows["key"] == key).all())
