"""A part of the page for each net: what it is, how it did, and its runs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks.analysis.calibration import calibration
from benchmarks.records import layers
from benchmarks.records.record import OK
from benchmarks.report.html.classes import by_class
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.html.pictures import picture
from benchmarks.report.html.words import unit
from datamodules import safe_name

_FIGURES = (
    *("parameters", "macs", "train_flops", "uncounted", "examples_per_sec"),
    *("inference_examples_per_sec", "bound_by", "peak_memory_mb", "fit_seconds"),
    *("image_size", "batch_size", "epochs", "precision", "initial_weights"),
)
MOST_BYTES = 500_000  # of all sheets of wrong images
_OF_A_RUN = ("loss", "train_accuracy", "test_accuracy", "validation_accuracy", "test_mean_iou")


def data(comparison: Comparison) -> list[dict[str, Any]]:
    """The nets in the order of the table.

    Of the sheets of wrong images that do not all fit, those of the best nets are shown.
    """
    nets = [_net(label, runs, comparison) for label, runs in comparison.by_label.items()]
    left = MOST_BYTES
    for net in nets:
        left -= len(net["wrong"])
        if left < 0:
            net["wrong"] = ""
    return nets


def without_pictures(nets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for a page that would be too large."""
    return [{**net, "wrong": ""} for net in nets]


def _net(label: str, runs: pd.DataFrame, comparison: Comparison) -> dict[str, Any]:
    done = runs[runs["status"] == OK]
    scores = [name for name in _OF_A_RUN if done[name].notna().any()]
    kept = [each for each in comparison.evidence.predictions.get(label, []) if each is not None]
    stands = comparison.standing
    sheet = comparison.folder / "plots" / f"confidently_wrong_{safe_name(label)}.png"
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
        ]
        + _calibration(comparison, label),
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
        "layers": _layers(comparison, label),
        "classes": by_class(kept),
        "wrong": picture(sheet),
        "sheet": f"plots/{sheet.name}" if sheet.exists() else "",
    }


def _layers(comparison: Comparison, label: str) -> list[list[Any]]:
    """The rows of the table of layers; none where its file is missing."""
    keys = comparison.keys(label)
    found = layers.read(comparison.folder, comparison.by_key[keys[0]]) if keys else None
    return [] if found is None else found.to_numpy().tolist()


def _calibration(comparison: Comparison, label: str) -> list[tuple[str, float, str]]:
    """The expected calibration error with its interval, as a figure; none without predictions."""
    kept = comparison.evidence.classified.get(label)
    if kept is None:
        return []
    error = calibration(kept).error
    return [("calibration error (ECE)", error.estimate, f"± {error.half:.2g}")]


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
