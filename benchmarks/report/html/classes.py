"""How a net does on each class, over all its seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.analysis.confusion import by_true_class, confusion_matrix
from benchmarks.records.artifacts import Predictions

MOST_CLASSES = 20  # of a matrix that can be read
MOST_CONFUSIONS = 5


def by_class(predictions: list[Predictions]) -> dict[str, Any] | None:
    """Accuracy by class, the confusion matrix in shares of a true class, and what is confused most.

    Args:
        predictions: of each run of a net; None where they are missing, or of a segmentation.
    """
    labels = predictions[0].labels if predictions else None
    if labels is None:
        return None
    count = len(labels.classes)
    counts = confusion_matrix(predictions)
    images, shares = counts.sum(axis=1), by_true_class(counts)
    wrong = shares.copy()
    np.fill_diagonal(wrong, 0)
    most = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(i), count) for i in most]
    names = labels.classes
    return {
        "names": names,
        "accuracies": [(names[i], float(shares[i, i])) for i in range(count) if images[i]],
        "matrix": shares.tolist() if count <= MOST_CLASSES else None,
        "confusions": [
            (names[true], names[other], float(wrong[true, other]))
            for true, other in pairs
            if wrong[true, other] > 0
        ],
    }
