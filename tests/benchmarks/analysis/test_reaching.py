import dataclasses

import pytest

from benchmarks.analysis.reaching import courses, reached
from tests.runs import record_of

ROUGH = [0.005, -0.004, 0.0, 0.003, -0.002]  # of the accuracies of five trainings


@pytest.fixture
def make_runs(make_spec):
    """Makes the trainings of a net with these accuracies on the way, a few seconds apart."""

    def make(accuracies, trainings=5, slowness=1.0):
        record = record_of(make_spec(epochs=2), train_flops=8e9)
        return [
            dataclasses.replace(
                record,
                evaluations=[
                    {
                        "epoch": 2 * (number + 1) / len(accuracies) + luck,
                        "seconds": slowness * (number + 1 + luck),
                        "accuracy": accuracy + luck,
                    }
                    for number, accuracy in enumerate(accuracies)
                ],
            )
            for luck in ROUGH[:trainings]
        ]

    return make


def test_a_target_is_reached_where_the_interval_lies_above_it_from_then_on(make_runs):
    runs = {"a": make_runs([0.7, 0.86, 0.8, 0.88]), "b": make_runs([0.6, 0.86, 0.87, 0.9])}
    found = courses(runs, images=10_000)
    means = [each.accuracy.estimate for each in found["a"]]
    assert means == pytest.approx([0.7004, 0.8604, 0.8004, 0.8804])
    early = reached(found["b"], 0.85)
    assert early.epoch == pytest.approx(1, abs=0.01)
    assert early.seconds.estimate == pytest.approx(2, rel=0.01)
    assert early.flops == pytest.approx(4e9, rel=0.01)
    assert reached(found["a"], 0.85).epoch == pytest.approx(2, abs=0.01)
    assert reached(found["b"], 0.5).epoch == pytest.approx(0.5, abs=0.01)
    assert reached(found["b"], 0.9) is None  # its mean is above, and not the interval
    assert found["b"][-1].accuracy.low < 0.9 < found["b"][-1].accuracy.estimate


def test_few_images_and_few_trainings_tell_less(make_runs):
    runs = {"a": make_runs([0.7, 0.86])}
    assert reached(courses(runs, 10_000)["a"], 0.85)
    assert reached(courses(runs, 500)["a"], 0.85) is None
    few = {"a": make_runs([0.7, 0.95], trainings=4)}
    assert reached(courses(few, 10_000)["a"], 0.85) is None


def test_nets_are_matched_by_the_number_of_the_evaluation(make_runs):
    runs = {"short": make_runs([0.7, 0.8]), "long": make_runs([0.6, 0.7, 0.8])}
    assert [len(each) for each in courses(runs, 1000).values()] == [2, 3]
