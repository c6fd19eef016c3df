"""Nothing imports what stands above it, and some rooms import nothing heavy."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from benchmarks.planning.plan import TIMING_CODE, TRAINING_CODE
from tests.conftest import ROOT

# From the top floor down; what stands on one floor may import each other.
FLOORS = [
    ["benchmarks.__main__", "benchmarks.cli", "benchmarks.commands"],
    ["benchmarks.studies"],
    ["benchmarks.report", "benchmarks.execution"],
    ["benchmarks.analysis", "benchmarks.run", "benchmarks.trained"],
    ["benchmarks.measurement"],
    ["benchmarks.training"],
    ["benchmarks.records"],
    ["benchmarks.planning"],
    ["benchmarks.machine"],
    ["benchmarks.errors"],
    ["lit_models"],
    ["datamodules"],
]
WITHOUT_TORCH = ["benchmarks.report", "benchmarks.analysis", "benchmarks.records"]
HEAVY = {"torch", "torchvision", "lightning"}
PACKAGES = ("benchmarks", "lit_models", "datamodules")


@cache
def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imported(name: str, at_run_time: bool = False) -> set[str]:
    """The modules that a module names in import statements, wherever these stand."""
    tree = ast.parse(modules()[name].read_text())
    if at_run_time:
        tree = WithoutTypeChecking().visit(tree)
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {other if other in modules() else node.module for other in whole}
    return names


class WithoutTypeChecking(ast.NodeTransformer):
    def visit_If(self, node):
        is_for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if is_for_types else node


def is_in(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def floor(name: str) -> int | None:
    return next((i for i, rooms in enumerate(FLOORS) if any(is_in(name, r) for r in rooms)), None)


def test_every_module_is_in_a_room():
    homeless = {name for name in modules() if floor(name) is None}
    assert homeless == {"benchmarks"}


@pytest.mark.parametrize("name", sorted(modules()))
def test_nothing_imports_what_stands_above_it(name):
    above = {other for other in imported(name) if (floor(other) or 99) < (floor(name) or 0)}
    # Types of a higher room may be named, but not imported, where a record is made of a plan.
    assert not above


def test_models_and_datasets_do_not_know_each_other():
    for name in modules():
        package = name.partition(".")[0]
        if package != "benchmarks":
            others = {other.partition(".")[0] for other in imported(name)}
            assert not others & (set(PACKAGES) - {package}), name


@pytest.mark.parametrize("room", ["lit_models.nets", "lit_models.analysis"])
def test_nets_know_nothing_of_lightning(room):
    names = [name for name in modules() if is_in(name, room)]
    assert names
    for name in names:
        assert not any(is_in(other, "lightning") for other in imported(name)), name


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_results_are_rebuilt_without_torch(room):
    """By import statements, and by those of all modules that they lead to when they run."""
    pending = [name for name in modules() if is_in(name, room)]
    for name in pending:
        assert not {other.partition(".")[0] for other in imported(name)} & HEAVY, name
    reached = set()
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        reached.add(name)
        names = imported(name, at_run_time=True)
        assert not {other.partition(".")[0] for other in names} & HEAVY, name
        pending += [other for other in names if other in modules()]


def test_what_decides_the_numbers_is_in_the_key():
    """Every module that a run imports is hashed, but for those that cannot change a number."""
    without_effect = (
        "benchmarks.errors",
        "benchmarks.planning",  # what they decide is in the plan, which is in the key
        "benchmarks.records",
        "lit_models",  # followed from the net and from the Lightning modules
    )
    hashed = (*TRAINING_CODE, TIMING_CODE)
    pending, reached = ["benchmarks.run"], set()
    while pending:
        name = pending.pop()
        if name not in reached and name in modules():
            reached.add(name)
            pending += imported(name, at_run_time=True)
    assert len(reached) > 40
    for name in reached:
        assert any(is_in(name, room) for room in (*hashed, *without_effect)), name


def test_no_function_takes_seven_positional_arguments():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                parameters = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
                positional = [p for p in parameters if p not in ("self", "cls")]
                assert len(positional) < 7, f"{name}.{node.name}"


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from benchmarks.cli import main\n"
        "try: main(['run', '--help'])\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not set(done.stderr.split()) & {*HEAVY, "pandas", "matplotlib", "numpy"}
