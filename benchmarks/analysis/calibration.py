"""Whether confidence means what it says: of images predicted with 80 %, 80 % should be right.

Guo et al. (2017), "On Calibration of Modern Neural Networks", section 2: bins of equal width, and
the expected calibration error (ECE), the mean distance of accuracy and confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.analysis.intervals import ALPHA, ONE_TRAINING, Interval, over_seeds, t_quantile
from benchmarks.records.artifacts import Predictions

BINS = 15  # as in the paper


@dataclass(frozen=True, eq=False)
class Calibration:
    """How far the confidences of a net's runs are from their accuracies.

    Arrays have a value a bin, (BINS,), over all runs: `images` counts predictions; `confidence` and
    `accuracy` are means, NaN in an empty bin. `error` is the ECE, the mean over the runs, with its
    interval over test images and seeds.
    """

    images: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: Interval

    @property
    def gap(self) -> float:
        """Mean confidence minus accuracy, at most the ECE; above 0: overconfident."""
        filled = self.images > 0
        distance = (self.confidence - self.accuracy)[filled]
        return float(np.average(distance, weights=self.images[filled]))

    @property
    def in_words(self) -> str:
        """Whether most of the error lies on one side; empty: it does not."""
        if abs(self.gap) <= self.error.estimate / 2:
            return ""
        return "overconfident" if self.gap > 0 else "underconfident"


def calibration(predictions: Sequence[Predictions]) -> Calibration:
    """The calibration of a net.

    Args:
        predictions: of at least one run on the same images.

    Raises:
        ValueError: predictions of a segmentation.
    """
    right = np.array([each.correct for each in predictions], float)  # (runs, n)
    sure = np.array([each.confidence for each in predictions], float)
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)  # (low, high], as the paper
    images = np.bincount(bins.ravel(), minlength=BINS)
    confidence, accuracy = (
        np.bincount(bins.ravel(), values.ravel(), BINS) / np.where(images, images, np.nan)
        for values in (sure, right)
    )
    return Calibration(images, confidence, accuracy, _error(right - sure, bins))


def _error(distances: np.ndarray, bins: np.ndarray) -> Interval:
    """The ECE with its interval.

    The ECE of a run is the mean over the images of +-(right - confidence), with the sign of the sum
    in the image's bin. With these signs fixed it is a mean of independent terms, so the variance
    over test images is theirs (the delta method); that over seeds is of the runs' ECEs.
    """
    terms = np.empty_like(distances)
    for run, (distance, own) in enumerate(zip(distances, bins, strict=True)):
        terms[run] = distance * np.sign(np.bincount(own, distance, BINS))[own]
    of_image = terms.mean(axis=0)
    quantile = t_quantile(1 - ALPHA / 2, math.inf)
    test_set = float(quantile * of_image.std() / math.sqrt(len(of_image)))
    if len(terms) == 1:
        seeds, half, scope = None, test_set, ONE_TRAINING
    else:
        seeds, scope = over_seeds(terms.mean(axis=1).tolist()).seeds, ""
        half = math.hypot(test_set, seeds or 0.0)
    estimate = float(of_image.mean())
    return Interval(estimate, max(0.0, estimate - half), estimate + half, test_set, seeds, scope)
