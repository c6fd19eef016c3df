"""What became better or worse between two results folders, beyond noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.analysis.accuracies import Accuracies, Trainings
from benchmarks.analysis.claims import MARGIN_OF_RATIOS
from benchmarks.analysis.differences import (
    MARGIN,
    THESE_TRAININGS,
    Difference,
    difference,
    difference_of_means,
    difference_of_rates,
)
from benchmarks.analysis.evidence import Evidence, accuracy
from benchmarks.analysis.intervals import ALPHA
from benchmarks.analysis.metrics import METRICS, Metric
from benchmarks.analysis.wording import ratio_in_words
from benchmarks.errors import UsageError
from benchmarks.planning.fingerprint import difference as key_difference
from benchmarks.records.record import OK, RunRecord
from benchmarks.records.store import RecordStore, load

OUTCOMES = WORSE, BETTER, SAME = "worse", "better", "no difference"


@dataclass(frozen=True)
class Change:
    """One figure of one model, before and after; `text` gives both and the effect."""

    model: str
    outcome: str
    text: str


@dataclass(frozen=True)
class FolderComparison:
    """What changed in one comparison, `<dataset>/<protocol>`; `keys` says what was done otherwise.

    `gone` are models whose runs all ended badly in the newer folder, and well in the older one.
    """

    name: str
    changes: list[Change]
    keys: list[str]
    gone: list[str]
    only: list[str]

    @property
    def regressions(self) -> int:
        return len(self.gone) + sum(change.outcome == WORSE for change in self.changes)

    def __str__(self) -> str:
        lines = [self.name, *(f"  {WORSE:13} {model}: no run ended well" for model in self.gone)]
        order = sorted(self.changes, key=lambda change: OUTCOMES.index(change.outcome))
        lines += [f"  {each.outcome:13} {each.model}: {each.text}" for each in order]
        lines += [f"  {note}" for note in (*self.only, *self.keys)]
        return "\n".join(lines)


@dataclass(frozen=True)
class ResultsComparison:
    """What changed between two results folders."""

    folders: list[FolderComparison]
    notes: list[str] = field(default_factory=list)

    @property
    def regressions(self) -> int:
        return sum(folder.regressions for folder in self.folders)

    def __str__(self) -> str:
        changes = [change for folder in self.folders for change in folder.changes]
        better = sum(change.outcome == BETTER for change in changes)
        if not self.regressions and not better:
            summary = "no difference beyond noise"
        else:
            summary = f"{self.regressions} worse, {better} better"
        return "\n\n".join([*map(str, self.folders), *self.notes, summary])


def compare(old: Path, new: Path) -> ResultsComparison:
    """What became better or worse from `old` to `new`, in accuracy and in speed.

    Accuracies are paired by image. Speeds are in terms of the reference workload. The chance that
    any change of a folder is called one by noise alone is 5 %. A speed must also change by 5 %,
    since processes differ, and an accuracy by one point where each side has one training.

    Args:
        old, new: folders of results, or of one comparison each.

    Raises:
        UsageError: there are no records, or the folders have no comparison in common.
    """
    before, after = _comparisons(old), _comparisons(new)
    shared = [name for name in before if name in after]
    if not shared:
        raise UsageError(
            f"nothing to compare: the older folder has {', '.join(before)}, "
            f"the newer one {', '.join(after)}"
        )
    notes = [
        f"only in the {age} folder: {', '.join(sorted(own))}"
        for age, own in (("older", before.keys() - after), ("newer", after.keys() - before))
        if own
    ]
    return ResultsComparison([_compare(name, before[name], after[name]) for name in shared], notes)


def _comparisons(results: Path) -> dict[str, Path]:
    """The comparisons in a folder, by name; of a comparison, itself."""
    if list((results / "runs").glob("*.json")):
        return {"the comparison": results}
    found = {f"{f.parent.name}/{f.name}": f for f in RecordStore(results).folders()}
    if not found:
        raise UsageError(f"no records in {results}; `make bench RESULTS={results}` makes them")
    return found


def _compare(name: str, old: Path, new: Path) -> FolderComparison:
    before, after = Evidence.load(old), Evidence.load(new)
    models = [model for model in before.runs if model in after.runs]
    failed = {record.setup.label for record in load(new) if record.status != OK}
    gone = [model for model in before.runs if model not in after.runs and model in failed]
    only = [
        f"only in the {age} folder: {', '.join(own)}"
        for age, side, other in (("older", before, after), ("newer", after, before))
        if (own := [model for model in side.runs if model not in other.runs and model not in gone])
    ]
    found = [
        *((model, METRICS["test_accuracy"], pair) for model, pair in _accuracies(before, after)),
        *((model, METRICS["relative_speed"], pair) for model, pair in _speeds(before, after)),
    ]
    changes = [
        Change(model, _outcome(metric, pair, len(found)), _text(metric, model, pair, before, after))
        for model, metric, pair in found
    ]
    keys = _keys([(before.runs[model][0], after.runs[model][0]) for model in models])
    return FolderComparison(name, changes, keys, gone, only)


def _accuracies(before: Evidence, after: Evidence) -> Iterator[tuple[str, Difference]]:
    """The new accuracy of each model less the old one."""
    sides = {"before": before, "after": after}
    labels = [side.labels for side in sides.values()]
    are_paired = None not in labels and len({each.digest for each in labels if each}) == 1
    models = [model for model in before.runs if model in after.runs]
    known = {
        (when, model): np.array([accuracy(record) for record in side.runs[model]], float)
        for when, side in sides.items()
        for model in models
    }
    measured = [m for m in models if not any(np.isnan(known[when, m]).any() for when in sides)]
    images = {side.images for side in sides.values()}
    size = images.pop() if len(images) == 1 else None
    if size is None:
        for model in measured:
            yield model, difference_of_means(known["after", model], known["before", model])
        return
    table = Accuracies(
        {
            f"{when} {model}": Trainings(
                known[when, model], size, side.correct(model) if are_paired else None
            )
            for when, side in sides.items()
            for model in measured
        }
    )
    for model in measured:
        yield model, difference(table, f"after {model}", f"before {model}")


def _speeds(before: Evidence, after: Evidence) -> Iterator[tuple[str, Difference]]:
    """The logarithm of each model's new relative speed over the old one."""
    metric = METRICS["relative_speed"]
    for model in (model for model in before.runs if model in after.runs):
        runs = [*before.runs[model], *after.runs[model]]
        if all(metric.value(record) for record in runs):
            rounds = [
                [metric.rounds(record) for record in side.runs[model]] for side in (after, before)
            ]
            yield model, difference_of_rates(rounds[0], rounds[1], max(map(metric.drift, runs)))


def _outcome(metric: Metric, pair: Difference, comparisons: int) -> str:
    least = 0.0
    if metric.name == "relative_speed":
        least = math.log1p(MARGIN_OF_RATIOS)
    elif pair.interval.scope == THESE_TRAININGS:
        least = MARGIN
    estimate = pair.interval.estimate
    if pair.p * comparisons >= ALPHA or abs(estimate) < least:
        return SAME
    return BETTER if estimate > 0 else WORSE


def _text(metric: Metric, model: str, pair: Difference, before: Evidence, after: Evidence) -> str:
    old, new = (
        metric.text(float(np.mean([_value(metric, record) for record in side.runs[model]])))
        for side in (before, after)
    )
    interval = pair.interval
    if metric.name == "relative_speed":
        effect = ratio_in_words(interval)
    elif interval.is_known:
        low, high = (f"{100 * value:+.2f}" for value in (interval.low, interval.high))
        effect = f"{100 * interval.estimate:+.2f} points, 95 % interval {low} to {high}"
    else:
        effect = f"{100 * interval.estimate:+.2f} points, with no interval"
    return f"{metric.words} {old} -> {new} ({effect})"


def _value(metric: Metric, record: RunRecord) -> float | None:
    return accuracy(record) if metric.name == "test_accuracy" else metric.value(record)


def _keys(pairs: list[tuple[RunRecord, RunRecord]]) -> list[str]:
    """What differs in the keys, by what models share it."""
    by_text: dict[str, list[str]] = {}
    for old, new in pairs:
        texts = []
        if old.setup.key != new.setup.key:
            ignored = {"seed": None}
            inputs = [record.setup.inputs | ignored for record in (old, new)]
            is_known = old.setup.inputs and new.setup.inputs
            texts.append(
                (key_difference(*inputs) or "the seed")
                if is_known
                else "an older record does not hold what it is a hash of"
            )
        if timing := key_difference(old.speed.inputs, new.speed.inputs):
            texts.append(timing)
        if texts:
            by_text.setdefault("; ".join(texts), []).append(old.setup.label)
    if not by_text:
        return ["the keys are equal: code, data, protocol and versions are the same"]
    return [
        f"key of {'all models' if len(models) == len(pairs) else ', '.join(models)}: {text}"
        for text, models in by_text.items()
    ]
