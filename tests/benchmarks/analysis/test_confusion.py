import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.analysis.confusion import by_true_class, confusion_matrix
from benchmarks.records.artifacts import Predictions

CLASSES = ("cat", "dog", "ship", "never seen")


def of_classes(predicted, true):
    return Predictions.of(predicted, np.ones(len(true)), true, CLASSES)


@given(st.integers(1, 3), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_rows_are_class_sizes_and_the_diagonal_is_the_accuracy(runs, images, seed):
    draw = np.random.default_rng(seed)
    true = draw.integers(3, size=images)
    kept = [of_classes(draw.integers(4, size=images), true) for _ in range(runs)]
    counts = confusion_matrix(kept)
    sizes = np.bincount(true, minlength=4)
    assert (counts.sum(axis=1) == runs * sizes).all()
    accuracy = np.mean([each.correct for each in kept])
    assert np.trace(counts) / counts.sum() == pytest.approx(accuracy)
    assert by_true_class(counts).sum(axis=1) == pytest.approx(np.where(sizes, 1, 0))


def test_a_row_is_a_true_class():
    counts = confusion_matrix([of_classes(np.array([1, 1, 2]), np.array([0, 0, 2]))])
    assert (counts[0, 1], counts[2, 2], counts.sum()) == (2, 1, 3)


def test_pixels_have_no_prediction_an_image():
    with pytest.raises(ValueError, match="segmentation"):
        confusion_matrix([Predictions(confusion=np.eye(3))])
