"""What nets are compared by, and how each figure varies."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.errors import UsageError, unknown
from benchmarks.records.record import PARTS, RunRecord

# How a figure varies: over trainings and test images; over trainings; as a rate or an amount, by
# its ratio; not at all, since it is counted.
ACCURACY, MEAN, RATIO, COUNT = "accuracy", "mean", "ratio", "count"


@dataclass(frozen=True)
class Metric:
    """A figure of a run.

    Args:
        name: of the record's field.
        words: for people.
        unit: of the figure, for people.
        kind: how it varies.
        higher_is_better: or lower.
        loop: whose timed rounds tell how a rate varies (`Speed.samples`).
        accuracy: to be reached, of figures to an accuracy.
    """

    name: str
    words: str
    kind: str
    unit: str = ""
    higher_is_better: bool = True
    loop: str | None = None
    accuracy: float | None = None

    @property
    def sign(self) -> int:
        return 1 if self.higher_is_better else -1

    @property
    def is_fraction(self) -> bool:
        """Whether differences are counted in points, hundredths."""
        return self.name.endswith(("accuracy", "mean_iou"))

    def value(self, record: RunRecord) -> float | None:
        """The figure of a run; None: it was not measured, or never reached."""
        if self.accuracy is not None:
            return self._to_accuracy(record)
        parts = (getattr(record, part) for part in PARTS)
        return next(getattr(part, self.name) for part in parts if hasattr(part, self.name))

    def rounds(self, record: RunRecord) -> list[float]:
        """The figure in each round it was timed in, with the run's own figure as their median."""
        own = self.value(record)
        if own is None:
            raise ValueError(f"{record.setup.model} has no {self.words}")
        samples = record.speed.samples
        summary = samples.get(self.name) or samples.get(self.loop or "", {})
        rounds = summary.get("samples") or [own]
        return [own * each / float(np.median(rounds)) for each in rounds]

    def drift(self, record: RunRecord) -> float:
        """How far the machine's speed changed during the run, for figures that it changes.

        None of it is left in a ratio to the reference workload that was timed in turns.
        """
        if self.loop is None or self.name in record.speed.samples:
            return 0.0
        return record.speed.reference_drift or 0.0

    def text(self, value: float) -> str:
        """A value with its unit."""
        if self.is_fraction:
            return f"{100 * value:.2f} %"
        digits = f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.3g}"
        return f"{digits} {self.unit}".strip()

    def _to_accuracy(self, record: RunRecord) -> float | None:
        assert self.accuracy is not None
        reached = [each for each in record.evaluations if each["accuracy"] >= self.accuracy]
        if not reached:
            return None
        if self.name.startswith("seconds"):
            return reached[0]["seconds"]
        return flops_after(record, reached[0]["epoch"])


def flops_after(record: RunRecord, epoch: float) -> float | None:
    """The FLOPs of a training until an epoch, which may be a fraction; None: not counted."""
    flops, epochs = record.cost.train_flops, record.setup.epochs
    return None if flops is None or epochs is None else flops * epoch / epochs


_METRICS = (
    Metric("test_accuracy", "test accuracy", ACCURACY),
    Metric("validation_accuracy", "validation accuracy", ACCURACY),
    Metric("train_accuracy", "train accuracy", MEAN),
    Metric("test_mean_iou", "mean IoU", MEAN),
    Metric("loss", "training loss", MEAN, higher_is_better=False),
    Metric("examples_per_sec", "training speed", RATIO, "examples/sec", loop="loop"),
    Metric("step_examples_per_sec", "speed of a bare loop", RATIO, "examples/sec", loop="step"),
    Metric("relative_speed", "relative speed", RATIO, loop="loop"),
    Metric(
        "inference_examples_per_sec", "inference speed", RATIO, "examples/sec", loop="inference"
    ),
    Metric("fit_seconds", "training time", RATIO, "s", higher_is_better=False),
    Metric("peak_memory_mb", "peak memory", RATIO, "MiB", higher_is_better=False),
    Metric("train_flops", "cost of training", COUNT, "FLOPs", higher_is_better=False),
    Metric("macs", "cost of an image", COUNT, "MACs", higher_is_better=False),
    Metric("parameters", "size", COUNT, "parameters", higher_is_better=False),
)
METRICS = {metric.name: metric for metric in _METRICS}
_ALIASES = {
    "accuracy": "test_accuracy",
    "examples/sec": "examples_per_sec",
    "speed": "examples_per_sec",
    "inference_speed": "inference_examples_per_sec",
    "seconds": "fit_seconds",
    "memory": "peak_memory_mb",
    "flops": "train_flops",
    "mean_iou": "test_mean_iou",
}
_TO_ACCURACY = {"seconds_to": ("time", "s"), "flops_to": ("cost", "FLOPs")}


def metric(name: str) -> Metric:
    """A metric by name, such as test_accuracy, memory or seconds_to_0.85.

    Raises:
        UsageError: no such metric.
    """
    if name in METRICS or name in _ALIASES:
        return METRICS[_ALIASES.get(name, name)]
    if found := re.fullmatch(r"(seconds_to|flops_to)_(.+)", name):
        try:
            accuracy = float(found[2])
        except ValueError:
            accuracy = math.nan
        if not 0 < accuracy < 1:
            raise UsageError(f"{name}: the accuracy must be a fraction, as in {found[1]}_0.85")
        words, unit = _TO_ACCURACY[found[1]]
        words = f"{words} to an accuracy of {accuracy:g}"
        return Metric(name, words, RATIO, unit, higher_is_better=False, accuracy=accuracy)
    raise unknown("metric", name, [*METRICS, *_ALIASES, *(f"{each}_0.85" for each in _TO_ACCURACY)])


def values(metric: Metric, model: str, runs: Sequence[RunRecord]) -> list[float]:
    """The figure of each run of a model.

    Raises:
        UsageError: a run has none.
    """
    found = [metric.value(record) for record in runs]
    if missing := sum(value is None for value in found):
        if metric.accuracy is None:
            raise UsageError(f"{model} has no {metric.words} in {missing} of {len(found)} runs")
        if not any(record.evaluations for record in runs):
            raise UsageError(
                f"{model} was not evaluated on the way; "
                "ARGS='--protocol.evaluate_every 1' does so after every epoch"
            )
        raise UsageError(
            f"{model} did not reach an accuracy of {metric.accuracy:g} in {missing} of "
            f"{len(found)} runs"
        )
    return [value for value in found if value is not None]
