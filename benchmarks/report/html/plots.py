"""What the plots of the page show: colours, intervals and curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from benchmarks.records.record import RunRecord
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.style import GREY, LINE_COLORS

# What accuracy is shown against; speeds first.
QUANTITIES = (
    *("examples_per_sec", "inference_examples_per_sec", "train_flops", "macs", "parameters"),
    *("peak_memory_mb", "fit_seconds"),
)
# Of these a large value is good.
_RATES = ("examples_per_sec", "inference_examples_per_sec")


def data(comparison: Comparison) -> dict[str, Any] | None:
    """Score, quantities, and of each net colour, interval and curves; None if none was trained."""
    done = comparison.done
    if done.empty:
        return None
    return {
        "score": {"name": comparison.score, "title": comparison.title(comparison.score)},
        "quantities": [
            {"name": name, "title": comparison.title(name), "more_is_better": name in _RATES}
            for name in QUANTITIES
            if done[name].notna().any()
        ],
        "has_evaluations": any(record.evaluations for record in comparison.records),
        "nets": [
            {
                "label": label,
                "color": color,
                "interval": _interval(comparison, label),
                "curves": [_curves(comparison.by_key[key]) for key in comparison.keys(label)],
            }
            for label, color in colors(comparison).items()
        ],
    }


def colors(comparison: Comparison) -> Mapping[str, str]:
    """The colour of each net that was trained, best first; of more than can be told apart, grey."""
    labels = [label for label in comparison.by_label if label in set(comparison.done["label"])]
    count = min(len(labels), len(LINE_COLORS))
    spread = np.linspace(0, len(labels) - 1, count).round().astype(int)
    found = {labels[i]: color for i, color in zip(spread, LINE_COLORS, strict=False)}
    return {label: to_hex(found.get(label, GREY)) for label in labels}


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
