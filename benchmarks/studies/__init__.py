"""One file a question, each with two functions that return its table in markdown.

`run(folder, device, force)` measures, unless that is done, and writes `results.csv`;
`rebuild(folder)` draws table and plots from it.
"""

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """The studies at hand."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
