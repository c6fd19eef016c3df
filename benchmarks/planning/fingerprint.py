"""Hashes of content and of code: equal hashes, equal numbers.

A hash of code ignores what cannot change a number: comments, layout, docstrings, annotations, and
the messages of errors and prints. It is the same under every supported version of Python.
"""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

# How a model is found by name changes no number of the model that is found.
_IGNORED = {f"lit_models.{name}" for name in ("entries", "options", "registry", "variants")}


def digest(content: object) -> str:
    """The SHA-256 of dictionaries, lists, text and numbers."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def difference(old: dict, new: dict) -> str:
    """Where two nested dictionaries differ, as in "learning_rate 0.1 -> 0.2; torch 2.9 -> 2.10"."""
    clauses = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            clauses.append(difference(before, after))
        elif name.startswith("code of"):
            clauses.append(f"{name} changed")
        else:
            clauses.append(f"{name} {before} -> {after}")
    return "; ".join(clauses)


def package_digest(name: str) -> str:
    """The hash of all modules of a package, or of one module."""
    return digest([_module_digest(module) for module in _modules(name)])


def imported_digest(names: Iterable[str], *packages: str, without: tuple[str, ...] = ()) -> str:
    """The hash of modules, and of whatever they import of `lit_models` and of `packages`.

    Files and folders beside a package count as part of it, if they are a user's.

    Args:
        names: of the modules.
        packages: whose modules are followed.
        without: functions and methods of `names` that change no number.
    """
    names = list(names)
    inside = tuple(f"{package}." for package in ("lit_models", *packages))
    found: dict[str, str] = {}
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found and name not in _IGNORED:
            found[name] = _module_digest(name, without if name in names else ())
            pending += [
                other
                for other in _imported(name)
                if f"{other}.".startswith(inside) or _is_beside(other, packages)
            ]
    return digest([found[name] for name in sorted(found)])


@cache
def _modules(name: str) -> tuple[str, ...]:
    """The names of a package and of all modules below it, or of one module."""
    path = _path(name)
    folder = path if path.is_dir() else path.parent
    if path.is_file() and path.name != "__init__.py":
        return (name,)
    files = sorted(folder.rglob("*.py"))
    parts = [file.relative_to(folder).with_suffix("").parts for file in files]
    return tuple(".".join((name, *(p for p in each if p != "__init__"))) for each in parts)


@cache
def _path(name: str) -> Path:
    """The file of a module, or the folder of a package without `__init__.py`."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin is None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no source of module {name}")
    return Path(spec.origin)


def _is_beside(name: str, packages: Iterable[str]) -> bool:
    """Whether a module, or its package, lies in one folder with a package of a user."""
    home = _home(name)
    others = home == _home(__name__) or home.name in ("site-packages", "dist-packages")
    return not others and home in map(_home, packages)


def _home(name: str) -> Path:
    """The folder of a module's file, or of its package's folder."""
    path = _path(name.partition(".")[0])
    return path.parent.parent if path.name == "__init__.py" else path.parent


@cache
def _module_digest(name: str, without: tuple[str, ...] = ()) -> str:
    path = _path(name)
    if path.is_dir():
        return digest([])  # it has no code of its own
    if path.suffix != ".py":  # compiled
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return source_digest(path, without)


def source_digest(path: Path, without: tuple[str, ...] = ()) -> str:
    """The hash of a file of Python code, without its functions and methods of these names."""
    tree = ast.parse(path.read_bytes())
    bodies: list[ast.Module | ast.ClassDef] = [tree]
    bodies += [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in bodies:
        node.body = [each for each in node.body if getattr(each, "name", None) not in without]
    return digest(_canonical(tree))


_WITHOUT_EFFECT = {"annotation", "returns", "type_params", "type_comment", "ctx", "kind"}


def _canonical(node: object) -> object:
    """A syntax tree as lists, without what has no effect and without empty fields.

    `ast.dump` would differ between versions of Python, which add fields and omit empty ones.
    """
    if isinstance(node, list):
        return [_canonical(item) for item in node if not _is_prose(item)]
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return ["Raise", _canonical(node.exc.func)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = (
        [name, _canonical(value)]
        for name, value in ast.iter_fields(node)
        if name not in _WITHOUT_EFFECT and value is not None and value != []
    )
    return [type(node).__name__, *fields]


def _is_prose(node: object) -> bool:
    """Whether a statement is a docstring, a print, or for type checkers alone."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    is_print = isinstance(value, ast.Call) and getattr(value.func, "id", None) == "print"
    return is_print or (isinstance(value, ast.Constant) and isinstance(value.value, str))


@cache
def _imported(name: str) -> tuple[str, ...]:
    """Names of the modules that a module imports."""
    path = _path(name)
    if path.suffix != ".py":
        return ()  # compiled, or a package without `__init__.py`
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names = dict.fromkeys(_import_names(ast.parse(path.read_bytes()), package))
    return tuple(name for name in names if _is_module(name))


def _import_names(tree: ast.Module, package: str) -> Iterator[str]:
    """Full names of all that is imported, be it modules or what they hold."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            home = importlib.util.resolve_name(name, package)
            yield home
            yield from (f"{home}.{alias.name}" for alias in node.names)


@cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
