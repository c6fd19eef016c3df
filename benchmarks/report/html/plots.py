"""What the plots of the page show: colours, intervals and curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from benchmarks.records.record import RunRecord
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.plots.front import SPEED, speed_intervals
from benchmarks.report.style import LINE_COLORS

# What accuracy is shown against; speeds first.
QUANTITIES = (
    *("examples_per_sec", "inference_examples_per_sec", "train_flops", "macs", "parameters"),
    *("peak_memory_mb", "fit_seconds"),
)
# Of these a large value is good, and others are counted rather than measured.
_RATES = ("examples_per_sec", "inference_examples_per_sec")
_COUNTED = ("train_flops", "macs", "parameters")


def data(comparison: Comparison) -> dict[str, Any] | None:
    """Score, quantities, and colour, interval and curves of each net; None: none was evaluated."""
    done = comparison.done
    if done[comparison.score].isna().all():
        return None
    speeds = speed_intervals(done, comparison.standing)
    return {
        "score": {"name": comparison.score, "title": comparison.title(comparison.score)},
        "quantities": [
            {
                "name": name,
                "title": comparison.title(name),
                "more_is_better": name in _RATES,
                "is_measured": name not in _COUNTED,
                "has_intervals": name == SPEED,
            }
            for name in QUANTITIES
            if done[name].notna().any()
        ],
        "has_evaluations": any(record.evaluations for record in comparison.records),
        "evaluated": comparison.title(
            "test_accuracy" if done["test_accuracy"].notna().any() else "validation_accuracy"
        ),
        "nets": [
            {
                "label": label,
                "color": color,
                "is_marked": bool((comparison.by_label[label]["mark"] != "").any()),
                "interval": _interval(comparison, label),
                "speed": [speeds[label].low, speeds[label].high] if label in speeds else None,
                "curves": [_curves(comparison.by_key[key]) for key in comparison.keys(label)],
            }
            for label, color in colors(comparison).items()
        ],
    }


def colors(comparison: Comparison) -> Mapping[str, str | None]:
    """The colour of each net that was trained and evaluated, best first.

    Of more than can be told apart, those between have none.
    """
    evaluated = set(comparison.done["label"][comparison.done[comparison.score].notna()])
    labels = [label for label in comparison.by_label if label in evaluated]
    count = min(len(labels), len(LINE_COLORS))
    spread = np.linspace(0, len(labels) - 1, count).round().astype(int)
    found = {labels[i]: to_hex(color) for i, color in zip(spread, LINE_COLORS, strict=False)}
    return {label: found.get(label) for label in labels}


def _interval(comparison: Comparison, label: str) -> list[float] | None:
    stands = comparison.standing
    interval = stands.intervals.get(label) if stands else None
    return [interval.low, interval.high] if interval and interval.is_known else None


def _curves(record: RunRecord) -> dict[str, Any]:
    """The epochs of a run, a list a quantity."""
    return {
        "seed": record.setup.seed,
        **{name: _column(record.history, name) for name in ("epoch", "loss", "train_accuracy")},
        "evaluations": {
            name: _column(record.evaluations, name) for name in ("epoch", "seconds", "accuracy")
        },
    }


def _column(points: list[dict[str, float]], name: str) -> list[float | None]:
    """One quantity at each point; null where it is missing or not finite."""
    values = [point.get(name) for point in points]
    return [value if value is not None and np.isfinite(value) else None for value in values]
