"""One file a question, each with `run(folder, device, force) -> str`: measure, write, sum up."""

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """The studies at hand."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
