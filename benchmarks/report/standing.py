"""Where the rows of a table stand: intervals of their accuracies, and places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from benchmarks.analysis import published
from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.differences import MARGIN
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.intervals import Interval
from benchmarks.analysis.metrics import METRICS
from benchmarks.analysis.places import Detectable, places
from benchmarks.analysis.published import Beside
from benchmarks.analysis.speeds import of_runs as speed_of_runs
from benchmarks.records.record import OK, RunRecord
from benchmarks.report.comparable import comparable, labels

SPEEDS = ("examples_per_sec", "relative_speed")


@dataclass(frozen=True)
class Standing:
    """By label of a row: the interval of its accuracy, and its place in words.

    Both are empty where no accuracy counts images. `method` says what they mean; `published` has
    the nets with published accuracies. `speeds` has the intervals of `examples_per_sec` and of
    `relative_speed`, by label.
    """

    intervals: Mapping[str, Interval] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    method: str = ""
    published: Sequence[Beside] = ()
    speeds: Mapping[str, Mapping[str, Interval]] = field(
        default_factory=lambda: {name: {} for name in SPEEDS}
    )


def standing(folder: Path, records: Sequence[RunRecord], rows: pd.DataFrame) -> Standing | None:
    """Where the rows of a comparison's table stand; None where no run ended well.

    Args:
        folder: of the comparison, with the predictions.
        records: of all its runs.
        rows: the same, with the columns of `results.csv`.
    """
    found = evidence(folder, records, rows)
    return of_evidence(found) if found.runs else None


def evidence(folder: Path, records: Sequence[RunRecord], rows: pd.DataFrame) -> Evidence:
    """Records and predictions of the table's runs that ended well, by label of their row.

    Args:
        folder: of the comparison, with the predictions.
        records: of all its runs.
        rows: the same, with the columns of `results.csv`.
    """
    current = comparable(rows)
    current = current[current["status"] == OK]
    by_key = {record.setup.key: record for record in records}
    runs = {
        str(label): [by_key[key] for key in keys]
        for label, keys in current["key"].groupby(labels(current), sort=False)
    }
    return Evidence(folder, runs)


def of_evidence(found: Evidence, has_places: bool = True) -> Standing:
    """Where the rows of a table stand, from their runs and predictions.

    Args:
        found: runs and predictions by label of a row.
        has_places: whether all rows were evaluated on the same images; if not, their accuracies
            are not compared, and have no intervals here.
    """
    speeds = {
        name: {
            label: interval
            for label, runs in found.runs.items()
            if (interval := speed_of_runs(METRICS[name], runs)) is not None
        }
        for name in SPEEDS
    }
    if not has_places or found.accuracies is None:
        return Standing(speeds=speeds)
    setup = next(iter(found.runs.values()))[0].setup
    figures = published.beside(found.accuracies, setup.dataset, setup.protocol)
    own = of_accuracies(found.accuracies)
    return replace(own, speeds=speeds, published=figures)


def of_accuracies(accuracies: Accuracies) -> Standing:
    """Where nets with these accuracies stand."""
    intervals = {name: accuracies.interval(name) for name in accuracies.names}
    if len(intervals) < 2:
        return Standing(intervals, {}, _method(accuracies, None))
    found = places(accuracies)
    letters = found.letters
    in_words = {
        name: f"{best}{f'-{worst}' if worst > best else ''} {letters[name]}"
        for name, (best, worst) in found.places.items()
    }
    return Standing(intervals, in_words, _method(accuracies, found.detectable))


def _method(accuracies: Accuracies, detectable: Detectable | None) -> str:
    """What ± and places mean, and what this table can tell apart."""
    has_seeds = accuracies.speaks_of_nets
    sources = "seeds and test images together" if has_seeds else "test images"
    others = "; train accuracy ±: over the seeds" if has_seeds else ""
    sentences = [f"Accuracy ±: half of the 95 % interval over {sources}{others}."]
    if not has_seeds:
        sentences.append("One seed each: intervals and places speak of these trainings only.")
    if any(each.correct is None for each in accuracies.trainings.values()):
        sentences.append(
            "Rows without predictions have the binomial interval, and their images are not paired."
        )
    if detectable is not None:
        sentences.append(
            "Places: the chance that any two rows are separated by chance alone is 5 %."
        )
        sentences.append(_power(detectable, accuracies.images))
    return " ".join(sentences)


def _power(detectable: Detectable, images: int) -> str:
    text = f"Minimal detectable difference: {100 * detectable.now:.1f} points (power 80 %)"
    if detectable.now <= MARGIN or detectable.at_best is None:
        return f"{text}."
    target = f"{100 * detectable.margin:g} point"
    if detectable.seeds is not None:
        return f"{text}; {detectable.seeds} seeds of each net would make it {target}."
    return (
        f"{text}; no number of seeds makes it {target}, since {images:,} test images allow "
        f"{100 * detectable.at_best:.1f} points at best."
    )
