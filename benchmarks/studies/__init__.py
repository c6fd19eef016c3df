"""One file a question, each with two functions that return its table in markdown.

`run(folder, device, force, data_dir)` measures, unless that is done, and writes `results.csv`, and
beside it what a row cannot hold; `rebuild(folder)` draws table and plots from these. `data_dir` is
where datasets are looked for.
"""

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """The studies at hand."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
