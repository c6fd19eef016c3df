"""What a net takes for what: counts by true and predicted class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.records.artifacts import Predictions


def confusion_matrix(predictions: Sequence[Predictions]) -> np.ndarray:
    """The images of each true class (row) by predicted class (column), summed over the runs.

    Args:
        predictions: of at least one run of a net on the same images.

    Returns:
        int64 (classes, classes).

    Raises:
        ValueError: predictions of a segmentation.
    """
    counts = 0
    for each in predictions:
        if each.labels is None or each.predicted is None:
            raise ValueError("a segmentation has no prediction an image")
        classes = len(each.labels.classes)
        cells = each.labels.true.astype(np.int64) * classes + each.predicted
        counts += np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    return np.asarray(counts)


def by_true_class(counts: np.ndarray) -> np.ndarray:
    """The rows of a confusion matrix as shares of their images; zeros for a class without any."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
