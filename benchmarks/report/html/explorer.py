"""The explorer: what fewer nets, classes, seeds or images would have let one conclude."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from benchmarks.report.html.comparison import Comparison
from benchmarks.report.html.plots import colors

ORDER_SEED = 0  # of the order in which images are taken


def data(comparison: Comparison) -> dict[str, Any] | None:
    """Which images each run gets right, as packed bits, and their labels.

    Images stand in an order shuffled once. None: fewer than two nets have predictions of classes.
    """
    evidence = comparison.evidence
    labels = evidence.labels
    correct = {label: evidence.correct(label) for label in colors(comparison)}
    nets = {label: right for label, right in correct.items() if right is not None}
    if labels is None or len(nets) < 2:
        return None
    order = np.random.default_rng(ORDER_SEED).permutation(len(labels.true))
    return {
        "score": comparison.title(comparison.score),
        "images": len(order),
        "most_seeds": max(map(len, nets.values())),
        "classes": list(labels.classes),
        "labels": _text(labels.true[order].astype("<u2")),
        "nets": [_net(comparison, label, right[:, order]) for label, right in nets.items()],
        "missing": sorted(set(correct) - set(nets)),
    }


def _net(comparison: Comparison, label: str, correct: np.ndarray) -> dict[str, Any]:
    """A net, its runs by increasing seed; bit i of byte j is the image 8 j + i."""
    seeds = [run.setup.seed for run in comparison.evidence.runs[label]]
    packed = np.packbits(correct[np.argsort(seeds)], axis=1, bitorder="little")
    return {
        "label": label,
        "color": colors(comparison)[label],
        "seeds": sorted(seeds),
        "correct": [_text(run) for run in packed],
    }


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()
