import numpy as np
import pytest
import torch

from benchmarks.records.artifacts import Predictions
from benchmarks.training.evaluation import balanced_accuracy

CLASSES = ("cat", "dog", "emu")


def made(predicted, true):
    predicted, true = np.array(predicted), np.array(true)
    return Predictions.of(predicted, np.ones(len(true)), true, CLASSES)


def test_balanced_accuracy_is_the_mean_over_the_classes():
    predictions = made([0, 0, 0, 0, 1, 0, 2], [0, 0, 0, 0, 1, 1, 2])
    unequal = torch.tensor([0] * 4 + [1] * 2 + [2] * 2)
    assert balanced_accuracy(predictions, unequal) == pytest.approx((1 + 1 / 2 + 1) / 3)


@pytest.mark.parametrize(("largest", "is_given"), [(10, False), (15, False), (16, True)])
def test_it_is_given_for_classes_of_different_sizes(largest, is_given):
    labels = torch.tensor([0] * largest + [1] * 10 + [2] * 12)
    given = balanced_accuracy(made([0, 1, 2], [0, 1, 2]), labels)
    assert given == (1.0 if is_given else None)


def test_a_segmentation_has_none():
    confusion = Predictions(confusion=np.eye(3, dtype=np.int64))
    assert balanced_accuracy(confusion, torch.zeros(2, 4, 4, dtype=torch.uint8)) is None
