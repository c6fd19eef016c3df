"""Studies, one question a file, each with two functions that return its table in markdown.

`run(folder, device, force, data_dir)` measures, unless `results.csv` already holds the measurement,
and writes `results.csv` and files for whatever a row cannot hold. `rebuild(folder)` makes the table
and the plots from these files. `data_dir` is the folder of datasets; `base` has the common parts.
"""

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """The names of all studies."""
    return [module.name for module in pkgutil.iter_modules(__path__) if module.name != "base"]


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
