from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.differences import (
    THESE_PROCESSES,
    THESE_TRAININGS,
    difference,
    difference_of_means,
    difference_of_rates,
)
from tests.benchmarks.analysis.simulation import World
from tests.benchmarks.analysis.test_accuracies import COVERED

WORLDS = {
    "pair of 3 seeds": World((1.5, 1.3), seed=0.1),
    "pair of 5 seeds": World((1.5, 1.3), seeds=5),
    "5 nets": World((1.5,) * 5, seed=0.1),
    "one net of another spread": World((1.5,) * 5, seeds=5, seed=(0.2, *(0.02,) * 4)),
}


def tables(world, number, seed=3):
    generator = np.random.default_rng(seed)
    return (world.draw(generator) for _ in range(number))


@pytest.mark.parametrize(("number", "low", "high"), COVERED)
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_intervals_hold_the_true_difference(world, number, low, high):
    truth = world.accuracies
    inside = []
    for table in tables(world, number * (3 if len(truth) == 2 else 1)):
        for other in range(1, len(truth)):
            interval = difference(table, "net0", f"net{other}").interval
            inside.append(interval.low <= truth[0] - truth[other] <= interval.high)
    assert low <= np.mean(inside) <= high


@pytest.mark.parametrize("world", [World((1.5, 1.5), seeds=5), World((1.5,) * 5, 4, seed=0.1)])
def test_the_detectable_difference_is_found_in_80_of_100_tables(world):
    last = world.names[-1]
    for _ in range(2):  # a worse net has a larger variance, and so a larger detectable difference
        pairs = [difference(table, "net0", last) for table in tables(world, 200)]
        world = world.with_last_worse(np.mean([pair.detectable(world.seeds) for pair in pairs]))
    found = [difference(table, "net0", last).is_certain for table in tables(world, 400)]
    assert 0.73 <= np.mean(found) <= 0.87


def test_as_many_seeds_as_advised_find_the_difference():
    few = World((1.5,) * 4, seeds=5, images=10_000, seed=0.04).with_last_worse(by=0.012)
    pairs = [difference(table, "net0", "net3") for table in tables(few, 100)]
    number = int(np.median([pair.seeds_to_separate(0.012) or 1000 for pair in pairs]))
    assert number > few.seeds
    enough = replace(few, seeds=number)
    found = [difference(table, "net0", "net3").is_certain for table in tables(enough, 200)]
    assert 0.7 <= np.mean(found) <= 0.9


def test_no_number_of_seeds_makes_up_for_a_small_test_set():
    (table,) = tables(World((1.5, 1.45), images=200), 1)
    pair = difference(table, "net0", "net1")
    assert pair.seeds_to_separate(0.01) is None
    assert pair.seeds_to_equate(0.01) is None
    assert pair.detectable(1000) > 0.01


def test_the_error_with_the_seeds_at_hand_is_the_one_observed():
    (table,) = tables(World((1.5, 1.4), seed=0.2), 1)
    pair = difference(table, "net0", "net1")
    assert pair.error_with(3)[0] == pytest.approx(pair.standard_error)
    assert pair.error_with(30)[0] < pair.standard_error


def test_a_net_differs_by_nothing_from_itself():
    (table,) = tables(World((1.5,)), 1)
    right = table.trainings["net0"].correct
    pair = difference(Accuracies.of({"a": right, "b": right}), "a", "b")
    assert pair.interval.estimate == 0
    assert not pair.is_certain


def test_equivalence_needs_the_whole_interval_within_the_margin():
    (table,) = tables(World((1.5, 1.5), seeds=5, images=20_000), 1)
    pair = difference(table, "net0", "net1")
    assert pair.is_equivalent(0.02)
    assert not pair.is_equivalent(pair.standard_error)
    error = pair.standard_error
    edge = abs(pair.interval.estimate) + stats.t.ppf(0.95, pair.degrees) * error
    assert pair.is_equivalent(edge * 1.001)
    assert not pair.is_equivalent(edge * 0.999)


@pytest.mark.parametrize("margin", [0.008, 0.012])
def test_equivalence_is_rarely_claimed_of_nets_that_differ_by_the_margin(margin):
    world = World((1.5, 1.5), seeds=4).with_last_worse(by=margin)
    claimed = [difference(t, "net0", "net1").is_equivalent(margin) for t in tables(world, 300)]
    assert np.mean(claimed) <= 0.08


def test_one_seed_each_is_judged_by_mcnemar():
    a = np.array([True] * 60 + [False] * 10 + [True] * 30)
    b = np.array([False] * 12 + [True] * 58 + [True] * 30)
    pair = difference(Accuracies.of({"a": a[None], "b": b[None]}), "a", "b")
    assert pair.p == pytest.approx(stats.binomtest(12, 22).pvalue)
    expected = np.sqrt(12 + 10 - (12 - 10) ** 2 / 100) / 100
    assert pair.standard_error == pytest.approx(expected, rel=0.01)
    assert pair.interval.scope == THESE_TRAININGS
    assert pair.interval.seeds is None


def test_the_drift_of_the_machine_widens_a_ratio_of_speeds():
    new, old = [[100, 101, 99, 102, 98]], [[50, 51, 49, 50.5, 49.5]]
    steady = difference_of_rates(new, old).interval
    drifting = difference_of_rates(new, old, drift=0.1).interval
    assert steady.estimate == drifting.estimate == pytest.approx(np.log(2))
    assert 0 < steady.half < 0.05
    assert drifting.half == pytest.approx(np.hypot(steady.half, np.log(1.1)))
    assert steady.scope == THESE_PROCESSES
    assert not difference_of_rates([[100.0]], [[90.0, 91.0]]).is_certain


def test_ratios_of_several_processes_hold_the_true_one():
    logs = np.random.default_rng(0).normal(0, 0.05, (400, 2, 4, 1))
    intervals = [difference_of_rates(list(np.exp(a)), list(np.exp(b))).interval for a, b in logs]
    assert 0.92 <= np.mean([each.low <= 0 <= each.high for each in intervals]) <= 0.98


def test_means_of_unpaired_trainings_differ_by_welch():
    a, b = [0.3, 0.4, 0.5], [0.1, 0.12]
    pair, expected = difference_of_means(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert (pair.interval.low, pair.interval.high) == pytest.approx(
        tuple(expected.confidence_interval())
    )
    assert pair.p == pytest.approx(expected.pvalue)
    assert difference_of_means([0.3, 0.3], [0.2, 0.2]).is_certain
    assert not difference_of_means([0.3, 0.3], [0.3, 0.3]).is_certain
    alone = difference_of_means([0.3], b)
    assert not alone.is_certain
    assert not alone.is_equivalent(10)
    assert alone.seeds_to_separate() is None


def test_a_winner_flips_as_often_as_is_said():
    world = World((1.5, 1.46), seed=0.05, images=1000)
    first, second = world.accuracies
    pairs = [difference(table, "net0", "net1") for table in tables(world, 300)]
    known = [replace(p, interval=replace(p.interval, estimate=first - second)) for p in pairs]
    expected = np.mean([pair.flip_chance(world.seeds) for pair in known])
    assert 0.1 < expected < 0.4
    flipped = np.mean([pair.interval.estimate < 0 for pair in pairs])
    assert flipped == pytest.approx(expected, abs=0.08)
    assert all(pair.flip_chance(30) <= pair.flip_chance(2) for pair in pairs)
