import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.intervals import (
    ONE_PROCESS,
    ONE_TRAINING,
    over_processes,
    over_seeds,
    wilson,
)


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 0.98, 1.0])
def test_wilson_holds_the_true_accuracy(accuracy):
    right = np.random.default_rng(0).binomial(300, accuracy, 1000)
    intervals = [wilson(each / 300, 300) for each in right]
    assert np.mean([each.low <= accuracy <= each.high for each in intervals]) > 0.92
    assert all(0 <= each.low <= each.high <= 1 for each in intervals)


def test_losses_have_the_t_interval_of_their_seeds():
    values = [0.31, 0.35, 0.36]
    interval = over_seeds(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))
    alone = over_seeds([0.3])
    assert alone.estimate == 0.3
    assert not alone.is_known
    assert alone.scope == ONE_TRAINING


@pytest.mark.parametrize("rounds", [5, 6, 9, 30])
def test_one_process_has_the_interval_of_its_rounds(rounds):
    drawn = np.random.default_rng(0).lognormal(5, 0.1, (1000, rounds))
    intervals = [over_processes([each]) for each in drawn]
    inside = np.mean([each.low <= math.exp(5) <= each.high for each in intervals])
    assert 0.92 <= inside <= 0.99
    assert intervals[0].scope == ONE_PROCESS


def test_several_processes_count_rather_than_their_rounds():
    generator = np.random.default_rng(0)
    processes = generator.normal(5, 0.1, (500, 3, 1)) + generator.normal(0, 0.001, (500, 3, 5))
    intervals = [over_processes(list(np.exp(each))) for each in processes]
    inside = np.mean([each.low <= math.exp(5) <= each.high for each in intervals])
    assert 0.92 <= inside <= 0.98
    assert not intervals[0].scope


def test_a_single_round_tells_nothing():
    assert not over_processes([[100.0]]).is_known
