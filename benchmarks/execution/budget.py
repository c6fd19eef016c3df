"""How many training examples a sweep has time for."""

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from benchmarks.errors import UsageError
from benchmarks.execution import run_costs
from benchmarks.execution.executor import Executor
from benchmarks.execution.progress import duration
from benchmarks.execution.run_costs import RunCost, row
from benchmarks.planning.plan import RunSpec, plan
from benchmarks.planning.protocol import FIELDS
from benchmarks.planning.sweep_config import SweepConfig
from benchmarks.planning.variation import label
from benchmarks.records.store import RecordStore
from datamodules import ImageDataset

EXAMPLES_A_CLASS = 10  # at least; a net learns next to nothing from fewer
TOLERANCE = 1.2  # a number this much smaller than possible is chosen if it has finished runs


def within_budget(
    config: SweepConfig, dataset: ImageDataset, store: RecordStore, executor: Executor
) -> tuple[SweepConfig, dict[str, float]]:
    """A resolved sweep, on as many training examples as its budget has time for.

    The number is the same for all nets. It overrides the protocol's, so that it names the folder of
    the results. Runs that have finished cost nothing; the measurement itself is part of the budget.

    Returns:
        The sweep, unchanged if it fits as it is; and the seconds of a run of each model, as far as
        they were measured.

    Raises:
        UsageError: the time is too short for the fewest sensible examples.
    """
    if config.budget is None or executor.options is None:
        return config, {}
    began = time.monotonic()
    specs, asked = plan(config, dataset), _train_examples(config, dataset)
    due = {asked: _due(specs, store, config)}
    if not due[asked]:
        print("budget: every run has finished; nothing is changed")
        return config, {}
    costs = run_costs.measure(specs, executor.options)
    spent = time.monotonic() - began

    numbers = _numbers(specs, asked, len(dataset.classes))
    for number in numbers[:-1]:
        smaller = with_train_examples(config, number)
        if (smaller.folder / "runs").exists():
            due[number] = _due(_on(number, specs, smaller.title), store, config)

    def seconds(examples: int) -> float:
        runs = due.get(examples, specs)
        return sum(costs[row(run)].seconds(examples) for run in runs if row(run) in costs)

    reusable = [number for number, runs in due.items() if len(runs) < len(specs)]
    chosen = largest(numbers, seconds, config.budget - spent, reusable)
    budget = f"budget {duration(config.budget)}"
    if chosen is None:
        raise UsageError(
            f"{budget} is too short: the sweep takes at least "
            f"{duration(spent + seconds(numbers[0]))}, with {numbers[0]:,} training examples"
        )
    print(f"{budget}: a few steps of each net were timed in {duration(spent)}")
    _print_costs(costs, config, chosen)
    takes = f"the sweep takes about {duration(seconds(chosen))}"
    finished = len(specs) - len(due.get(chosen, specs))
    reuse = f"; {finished} of {len(specs)} runs have finished with it" if finished else ""
    if chosen == asked:
        print(f"{budget}: the whole protocol fits, nothing is changed; {takes}{reuse}")
    else:
        config = with_train_examples(config, chosen)
        print(f"{budget}: train_examples is {chosen:,} instead of {asked:,}; {takes}{reuse}")
    return config, {model: cost.seconds(chosen) for (model, _), cost in costs.items()}


def largest(
    numbers: list[int],
    seconds: Callable[[int], float],
    available: float,
    reusable: Collection[int] = (),
) -> int | None:
    """The largest number of examples with which a sweep fits; None: none does.

    A number with finished runs is preferred to a slightly larger one without: two measurements of
    one machine differ, and the same budget shall not begin anew.

    Args:
        numbers: of examples, ascending.
        seconds: of the sweep with a number of examples.
        available: seconds.
        reusable: numbers with which runs have finished.
    """
    fitting = [number for number in numbers if seconds(number) <= available]
    if not fitting or fitting[-1] == numbers[-1]:
        return fitting[-1] if fitting else None
    near = [n for n in fitting if n in reusable and n * TOLERANCE >= fitting[-1]]
    return max(near, default=fitting[-1])


def two_digits(least: int, below: int) -> list[int]:
    """The whole numbers of two significant digits in this range, from 10 on, ascending."""
    all_of_them = (lead * 10**zeros for zeros in range(len(str(below))) for lead in range(10, 100))
    return [number for number in all_of_them if least <= number < below]


def with_train_examples(config: SweepConfig, count: int) -> SweepConfig:
    """A resolved sweep as if `--protocol.train_examples` had been given: it is in the name."""
    if config.protocol is None:
        raise ValueError("the protocol of this sweep is not resolved")
    given = config.overrides | {"train_examples": str(count)}
    overrides = {field: given[field] for field in FIELDS if field in given}
    base = config.protocol_name.removesuffix(config.protocol.title("", config.overrides))
    protocol = replace(config.protocol, train_examples=count)
    name = protocol.title(f"{base}.yaml", overrides)
    return replace(config, protocol=protocol, protocol_name=name, overrides=overrides)


def _train_examples(config: SweepConfig, dataset: ImageDataset) -> int:
    """The training examples that the protocol asks for."""
    held_out = max(recipe.validation_examples for recipe in config.recipes)
    return config.recipes[0].train_examples or len(dataset.train_labels) - held_out


def _numbers(specs: list[RunSpec], asked: int, classes: int) -> list[int]:
    """The numbers of examples to choose from: sensible ones below what is asked for, and that."""
    batch_size = max(spec.protocol.batch_size for spec in specs)
    return [*two_digits(max(batch_size, EXAMPLES_A_CLASS * classes), asked), asked]


def _on(count: int, specs: list[RunSpec], title: str) -> list[RunSpec]:
    """The same runs on so many examples."""
    return [
        replace(spec, protocol=replace(spec.protocol, train_examples=count), protocol_name=title)
        for spec in specs
    ]


def _due(specs: list[RunSpec], store: RecordStore, config: SweepConfig) -> list[RunSpec]:
    """The runs that have not finished."""
    return [spec for spec in specs if config.force or store.finished(spec) is None]


def _print_costs(costs: dict[run_costs.Row, RunCost], config: SweepConfig, examples: int) -> None:
    """A line a net: its speed, and the seconds of a run."""
    field = config.vary.field if config.vary else None
    names = {own: label(own[0], field, own[1]) for own in costs}
    width = max(map(len, names.values()))
    for own, cost in sorted(costs.items(), key=lambda item: item[1].seconds(examples)):
        rate = f"{cost.examples_per_sec:>9,.0f} examples/sec"
        print(f"  {names[own]:{width}} {rate}, about {duration(cost.seconds(examples))} a run")
