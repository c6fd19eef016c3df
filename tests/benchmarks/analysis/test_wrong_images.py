import numpy as np
import pytest

from benchmarks.analysis.mistakes import Mistakes
from benchmarks.records.artifacts import Predictions

CLASSES = ("cat", "dog", "ship")
IMAGES = 200


@pytest.fixture(scope="module")
def mistakes():
    """Three nets with one to three runs."""
    draw = np.random.default_rng(0)
    true = draw.integers(3, size=IMAGES)

    def run():
        predicted = np.where(draw.random(IMAGES) < 0.2, true, draw.integers(3, size=IMAGES))
        return Predictions.of(predicted, draw.uniform(0.3, 1, IMAGES), true, CLASSES)

    return Mistakes({name: [run() for _ in range(count)] for count, name in enumerate("abc", 1)})


def all_are(mistakes, net, image, right):
    return all(run.correct[image] == right for run in mistakes.predictions[net])


def mean_confidence(mistakes, nets, image):
    of_nets = [
        np.mean([float(run.confidence[image]) for run in mistakes.predictions[net]]) for net in nets
    ]
    return np.mean(of_nets)


@pytest.mark.parametrize(("right", "wrong"), ["ab", "ba", "bc"])
def test_images_that_separate_two_nets(mistakes, right, wrong):
    found = mistakes.separating(right, wrong)
    assert set(found) == {
        i
        for i in range(IMAGES)
        if all_are(mistakes, right, i, True) and all_are(mistakes, wrong, i, False)
    }
    assert len(found) > 0
    _check_order(mistakes, [wrong], found)


def test_images_that_no_net_gets_right(mistakes):
    found = mistakes.hardest()
    assert set(found) == {
        i for i in range(IMAGES) if all(all_are(mistakes, net, i, False) for net in "abc")
    }
    assert len(found) > 0
    _check_order(mistakes, "abc", found)


def test_images_that_a_net_never_gets_right(mistakes):
    found = mistakes.confidently_wrong("c")
    assert set(found) == {i for i in range(IMAGES) if all_are(mistakes, "c", i, False)}
    _check_order(mistakes, "c", found)


def _check_order(mistakes, nets, found):
    sure = [mean_confidence(mistakes, nets, image) for image in found]
    assert sure == sorted(sure, reverse=True)


def test_most_runs_decide_what_is_predicted():
    true = np.array([0])
    runs = [Predictions.of(np.array([each]), np.ones(1), true, CLASSES) for each in (2, 1, 2)]
    assert Mistakes({"a": runs[:1], "b": runs[1:]}).predicted(0, ["a", "b"]) == (2, 2)
