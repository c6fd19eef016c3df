import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.rank_agreement import Side, agreement, chance_level
from tests.benchmarks.analysis.simulation import World

WORLD = World((0.9, 1.0, 1.08, 1.15, 1.4, 1.8), images=1000)


def side(means, deviation=1e-6):
    names = [f"net{i}" for i in range(len(means))]
    return Side(names, np.array(means, float), deviation**2 * np.eye(len(means)))


def test_correlations_are_those_of_scipy():
    generator = np.random.default_rng(0)
    for _ in range(5):
        a, b = generator.normal(size=(2, 7))
        found = agreement(side(a), side(b))
        assert found.tau.estimate == pytest.approx(stats.kendalltau(a, b).statistic)
        assert found.rho.estimate == pytest.approx(stats.spearmanr(a, b).statistic)
        for interval in (found.tau, found.rho):  # of accuracies without error
            assert interval.low == pytest.approx(interval.estimate)
            assert interval.high == pytest.approx(interval.estimate)
        reversals = ((a[:, None] > a) & (b[:, None] < b)).sum()
        assert found.reversed.estimate == pytest.approx(reversals / math.comb(7, 2))


def test_nets_are_matched_by_name_and_others_left_out():
    a = side([1, 2, 3])
    b = Side(["net2", "other", "net0"], np.array([5.0, 9.0, 4.0]), np.eye(3) * 1e-12)
    found = agreement(a, b)
    assert found.names == ["net0", "net2"]
    assert found.tau.estimate == 1
    with pytest.raises(ValueError, match="two nets"):
        agreement(a, b.select(["other"]))


@pytest.mark.parametrize("nets", range(5, 10))
def test_the_chance_level_is_that_of_the_exact_test(nets):
    level, step = chance_level(nets), 2 / math.comb(nets, 2)
    orders = [np.arange(nets)]
    while stats.kendalltau(np.arange(nets), orders[-1]).statistic > level - step + 1e-9:
        order = orders[-1].copy()
        at = int(np.flatnonzero(order[:-1] < order[1:])[0])
        order[[at, at + 1]] = order[[at + 1, at]]
        orders.append(order)
    p = [stats.kendalltau(np.arange(nets), o, method="exact").pvalue for o in orders[-2:]]
    assert p[0] <= 0.05 < p[1]


def test_four_nets_are_too_few():
    assert chance_level(4) == math.inf


@pytest.mark.parametrize(
    ("means", "tables"),
    [
        (WORLD.means, 40),
        ((1.8, 1.0, 1.08, 0.9, 1.15, 1.4), 40),
    ],
)
def test_intervals_hold_the_correlation_of_the_true_order(means, tables):
    other = World(means, images=1000)
    true = stats.kendalltau(WORLD.accuracies, other.accuracies).statistic
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(tables):
        tau = agreement(Side.of(WORLD.draw(generator)), Side.of(other.draw(generator))).tau
        hits += tau.low - 1e-9 <= true <= tau.high + 1e-9
    assert hits >= 0.84 * tables  # 95 in 100, less three standard errors


def test_one_training_each_speaks_of_these_trainings():
    table = World(WORLD.means, seeds=1, images=200).draw(np.random.default_rng(2))
    several = WORLD.draw(np.random.default_rng(2))
    assert agreement(Side.of(table), Side.of(several)).tau.scope == "these trainings only"
    assert not agreement(Side.of(several), Side.of(several)).tau.scope
