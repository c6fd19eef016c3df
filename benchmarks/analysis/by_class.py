"""Where two nets differ: their accuracies by true class."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.differences import difference
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.intervals import ALPHA, t_quantile
from benchmarks.errors import UsageError


@dataclass(frozen=True)
class ClassDifference:
    """The difference of two nets' accuracies on the images of one class.

    The interval and `differs` hold for all classes together with 95 %.
    """

    name: str
    images: int
    means: tuple[float, float]
    estimate: float
    half: float
    differs: bool


def by_class(evidence: Evidence, a: str, b: str) -> list[ClassDifference]:
    """Where two nets differ: their accuracies by true class, the largest lead of `a` first.

    Raises:
        UsageError: predictions are missing.
    """
    for model in (a, b):
        if evidence.correct(model) is None:
            raise UsageError(
                f"{model} left no predictions in {evidence.folder}, which BY=class needs; "
                "train it again with FORCE=1"
            )
    labels = evidence.labels
    assert labels is not None
    classes = [(i, name) for i, name in enumerate(labels.classes) if (labels.true == i).sum() > 1]
    right = {model: evidence.correct(model) for model in evidence.runs}
    kept = {model: each for model, each in right.items() if each is not None}
    found = []
    for i, name in classes:
        own = labels.true == i
        table = Accuracies.of({model: each[:, own] for model, each in kept.items()})
        pair = difference(table, a, b)
        half = t_quantile(1 - ALPHA / 2 / len(classes), pair.degrees) * pair.standard_error
        means = float(kept[a][:, own].mean()), float(kept[b][:, own].mean())
        differs = pair.p * len(classes) < ALPHA
        estimate = pair.interval.estimate
        found.append(ClassDifference(name, int(own.sum()), means, estimate, half, differs))
    return sorted(found, key=lambda each: -each.estimate)
