"""Studies, one question a module: the first line of its docstring is the question.

A study is found by its presence in this folder, or outside the suite as `package.module`.
"""

import ast
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UsageError, check_known

if TYPE_CHECKING:
    from benchmarks.studies.base import Study


def names() -> list[str]:
    """The names of all studies of the suite."""
    return [module.name for module in pkgutil.iter_modules(__path__) if module.name != "base"]


def check(name: str) -> None:
    """Check that a study of this name may exist, without importing it.

    Raises:
        UsageError: it is neither of the suite nor `package.module`.
    """
    if "." not in name:
        check_known("study", name, names())


def question(name: str) -> str:
    """The first line of the docstring of a study's module, which is not imported."""
    spec = importlib.util.find_spec(module_name(name))
    if spec is None or spec.origin is None:
        return ""
    documented = ast.get_docstring(ast.parse(Path(spec.origin).read_bytes())) or ""
    return documented.partition("\n")[0]


def load(name: str) -> "Study":
    """The study of this name.

    Raises:
        UsageError: there is no such module, or it has no study or several.
    """
    from benchmarks.studies.base import Study

    try:
        module = importlib.import_module(module_name(name))
    except (ImportError, SyntaxError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"study {name} cannot be imported: {reason}") from error
    found = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, Study)
        and f"{kind.__module__}.".startswith(f"{module.__name__}.")
    ]
    if len(found) != 1:
        raise UsageError(f"{module.__name__} must define one subclass of Study, not {len(found)}")
    return found[0](name)


def module_name(name: str) -> str:
    """The module of a study."""
    return name if "." in name else f"{__name__}.{name}"
