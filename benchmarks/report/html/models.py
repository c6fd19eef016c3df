"""A part of the page for each net: what it is, how it did, and its runs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks.records.record import OK
from benchmarks.report.html.classes import by_class
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.html.words import unit

_FIGURES = (
    *("parameters", "macs", "train_flops", "uncounted", "examples_per_sec"),
    *("inference_examples_per_sec", "bound_by", "peak_memory_mb", "fit_seconds"),
    *("image_size", "batch_size", "epochs", "precision", "initial_weights"),
)
_OF_A_RUN = ("loss", "train_accuracy", "test_accuracy", "validation_accuracy", "test_mean_iou")


def data(comparison: Comparison) -> list[dict[str, Any]]:
    """The nets in the order of the table."""
    return [_net(label, runs, comparison) for label, runs in comparison.by_label.items()]


def _net(label: str, runs: pd.DataFrame, comparison: Comparison) -> dict[str, Any]:
    done = runs[runs["status"] == OK]
    scores = [name for name in _OF_A_RUN if done[name].notna().any()]
    kept = [each for each in comparison.evidence.predictions.get(label, []) if each is not None]
    stands = comparison.standing
    return {
        "label": label,
        "place": stands.places.get(label, "") if stands else "",
        "score": _mean(done[comparison.score]),
        "half": _half(comparison, label),
        "is_trained": len(done) > 0,
        "figures": [
            (comparison.title(name), _mean(runs[name]), unit(name))
            for name in _FIGURES
            if runs[name].notna().any()
        ],
        "scores": [comparison.title(name) for name in scores],
        "runs": [
            {
                "seed": run["seed"],
                "status": run["status"],
                "error": run["error"] if pd.notna(run["error"]) else "",
                "scores": [None if pd.isna(run[name]) else run[name] for name in scores],
                "examples_per_sec": _mean(runs.loc[[index], "examples_per_sec"]),
                "commit": run["commit"] if pd.notna(run["commit"]) else "",
                "finished_at": run["finished_at"],
            }
            for index, run in runs.iterrows()
        ],
        "classes": by_class(kept),
    }


def _half(comparison: Comparison, label: str) -> float | None:
    """Half the interval of the score."""
    stands = comparison.standing
    interval = stands.intervals.get(label) if stands else None
    return interval.half if interval and interval.is_known else None


def _mean(column: pd.Series) -> float | str | None:
    """The mean of numbers, the distinct texts, or None if there are no values."""
    values = column.dropna()
    if values.empty:
        return None
    if pd.api.types.is_numeric_dtype(values):
        return float(values.mean())
    return ", ".join(map(str, values.unique()))
