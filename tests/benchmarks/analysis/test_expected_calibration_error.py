import numpy as np
import pytest

from benchmarks.analysis.calibration import BINS, calibration
from benchmarks.records.artifacts import Predictions

CLASSES = ("cat", "dog")


def made(confidence, accuracy, images=100_000, seed=0):
    """Predictions with these confidences, right with these probabilities."""
    draw = np.random.default_rng(seed)
    true = np.random.default_rng(1).integers(2, size=images)
    sure = np.broadcast_to(confidence, images)
    right = draw.random(images) < accuracy
    return Predictions.of(np.where(right, true, 1 - true), sure, true, CLASSES)


def test_calibrated_predictions_have_an_error_that_vanishes():
    sure = np.random.default_rng(2).uniform(0.5, 1, 100_000)
    errors = [
        calibration([made(sure[:n], sure[:n], n)]).error.estimate for n in (100, 1000, 100_000)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01


@pytest.mark.parametrize(("accuracy", "words"), [(0.7, "overconfident"), (0.97, "underconfident")])
def test_the_error_is_the_distance_of_accuracy_and_confidence(accuracy, words):
    found = calibration([made(0.9, accuracy)])
    assert found.error.estimate == pytest.approx(abs(accuracy - 0.9), abs=0.005)
    assert found.gap == pytest.approx(0.9 - accuracy, abs=0.005)
    assert found.in_words == words
    assert found.error.scope


def test_errors_of_both_signs_add_up_and_have_no_direction():
    sure = np.where(np.arange(100_000) % 2, 0.6, 0.9)
    found = calibration([made(sure, np.where(sure == 0.6, 0.8, 0.7))])
    assert found.error.estimate == pytest.approx(0.2, abs=0.005)
    assert found.in_words == ""


def test_bins_are_those_of_the_definition():
    """Against a loop over the bins, as the paper writes it."""
    sure = np.random.default_rng(3).uniform(size=500)
    kept = made(sure, 0.6, 500)
    sure = kept.confidence.astype(float)
    found = calibration([kept])
    expected = 0.0
    for place in range(BINS):
        own = (sure > place / BINS) & (sure <= (place + 1) / BINS)
        assert found.images[place] == own.sum()
        confidence, accuracy = sure[own].mean(), kept.correct[own].mean()
        assert found.confidence[place] == pytest.approx(confidence)
        assert found.accuracy[place] == pytest.approx(accuracy)
        expected += own.mean() * abs(accuracy - confidence)
    assert found.error.estimate == pytest.approx(expected)


def test_the_interval_covers_the_error_of_further_test_images():
    """Of a net that is overconfident by .1 in every bin."""
    covered = 0
    sure = np.random.default_rng(4).uniform(0.6, 1, 2000)
    for seed in range(300):
        error = calibration([made(sure, sure - 0.1, 2000, seed)]).error
        covered += error.low <= 0.1 <= error.high
    assert 0.92 <= covered / 300 <= 0.98


def test_seeds_widen_the_interval():
    one = calibration([made(0.9, 0.7, 2000)])
    alike = calibration([made(0.9, 0.7, 2000, seed) for seed in (0, 0, 0)])
    apart = calibration([made(0.9, a, 2000, 0) for a in (0.65, 0.7, 0.75)])
    assert alike.error.half == pytest.approx(one.error.half)
    assert apart.error.half > 2 * one.error.half
    assert apart.images.sum() == 6000
    assert not apart.error.scope
