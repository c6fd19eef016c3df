import pytest

from benchmarks.execution.estimates import Estimates


def test_a_run_takes_as_long_as_the_last_of_its_model(make_spec):
    first, second = make_spec(seed=0), make_spec(seed=1)
    assert Estimates({}, {}).seconds(first) is None
    assert Estimates({"lenet": 12.0}, {}).seconds(first) == 12.0
    estimates = Estimates({"lenet": 12.0}, {first.key: 3.0})
    assert (estimates.seconds(first), estimates.seconds(second)) == (3.0, 12.0)
    estimates.learn(second, 14.0)
    assert (estimates.seconds(first), estimates.seconds(second)) == (3.0, 14.0)


def test_other_models_are_in_proportion_to_their_macs(make_spec):
    small, large = make_spec("lenet"), make_spec("resnet18")
    estimates = Estimates({}, {})
    estimates.learn(small, 10.0)
    seconds = estimates.seconds(large)
    assert seconds > 10.0
    backwards = Estimates({}, {})
    backwards.learn(large, seconds)
    assert backwards.seconds(small) == pytest.approx(10.0)
