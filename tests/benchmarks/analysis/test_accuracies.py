import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.accuracies import Accuracies, Trainings
from benchmarks.analysis.intervals import ONE_TRAINING
from tests.benchmarks.analysis.simulation import World

# Of 95 % intervals; the second number of tables is for `-m slow`.
COVERED = [(100, 0.92, 0.98), pytest.param(1000, 0.935, 0.965, marks=pytest.mark.slow)]
WORLDS = {
    "3 seeds": World((1.5,) * 6),
    "5 seeds": World((1.2, 1.5, 1.8, 1.5, 1.5, 1.5), seeds=5),
    "3 unlike seeds": World((1.5,) * 6, seed=0.1),
    "2 unlike seeds": World((1.5,) * 6, seeds=2, seed=0.1),
    "one net of another spread": World((1.5,) * 6, seed=(0.02,) * 5 + (0.5,)),
}


THREE_NETS = World((1.5, 1.2, 1.1), seed=0.05)


def drawn(world=THREE_NETS, seed=0):
    return world.draw(np.random.default_rng(seed))


@pytest.mark.parametrize(("tables", "low", "high"), COVERED)
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_intervals_hold_the_true_accuracy(world, tables, low, high):
    generator, inside = np.random.default_rng(1), []
    for table in (world.draw(generator) for _ in range(tables)):
        for name, truth in zip(table.names, world.accuracies, strict=True):
            interval = table.interval(name)
            inside.append(interval.low <= truth <= interval.high)
    assert low <= np.mean(inside) <= high


def test_variances_are_those_of_the_definitions():
    table = drawn()
    x = table.trainings["net1"].correct.astype(float)
    seeds, images = x.shape
    rest = x - x.mean(1, keepdims=True) - x.mean(0) + x.mean()
    interaction = (rest**2).sum() / ((seeds - 1) * (images - 1))
    assert table.interaction[1] == pytest.approx(interaction)
    p, q = x.mean(0), table.trainings["net2"].by_image
    assert table.test_set[1, 1] == pytest.approx(p.var(ddof=1) / images)
    contrast = table.test_set[1, 1] + table.test_set[2, 2] - 2 * table.test_set[1, 2]
    assert contrast == pytest.approx((p - q).var(ddof=1) / images)
    pooled = np.mean([each.accuracies.var(ddof=1) for each in table.trainings.values()])
    assert table.observed_spread == pytest.approx(pooled)
    assert table.spread == pytest.approx(max(0, pooled - table.interaction.mean() / images))


def test_both_parts_add_up_to_the_whole():
    interval = drawn(World((1.5,) * 4, seed=0.1)).interval("net2")
    assert interval.test_set > 0
    assert interval.seeds > 0
    assert interval.half == pytest.approx(np.hypot(interval.test_set, interval.seeds))


def test_one_seed_has_the_interval_of_its_training():
    table = drawn(World((1.5,), seeds=1))
    interval = table.interval("net0")
    correct = int(table.trainings["net0"].correct.sum())
    expected = stats.binomtest(correct, 2000).proportion_ci(method="wilson")
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))
    assert interval.scope == ONE_TRAINING
    assert interval.seeds is None
    assert not table.speaks_of_nets


def test_a_net_with_one_seed_borrows_the_spread_of_the_others():
    of_three = drawn(World((1.5, 1.5), seed=0.1))
    right = {name: each.correct for name, each in of_three.trainings.items()}
    table = Accuracies.of(right | {"alone": right["net0"][:1]})
    assert table.speaks_of_nets
    assert table.spread[2] == table.spread[0]
    assert table.interval("alone").half > table.interval("net0").half


def test_a_net_that_dies_has_a_spread_of_its_own():
    table = drawn(World((1.5,) * 4, seed=0.0))
    right = {name: each.correct for name, each in table.trainings.items()}
    died = right["net3"].copy()
    died[2] = np.random.default_rng(0).random(2000) < 0.1
    unlike = Accuracies.of(right | {"net3": died})
    assert unlike.groups == [[0, 1, 2], [3]]
    assert unlike.spread[0] < 1e-4 < unlike.spread[3]
    assert unlike.degrees.tolist() == [6, 6, 6, 2]


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("right", [True, False])
def test_a_perfect_score_on_few_images_is_not_certain(right, seeds):
    interval = Accuracies.of({"net": np.full((seeds, 50), right)}).interval("net")
    assert interval.half > 0.01
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


def test_without_predictions_the_interval_is_wider_and_differences_are_unpaired():
    kept = drawn()
    lost = Accuracies(
        {name: Trainings(each.accuracies, each.images) for name, each in kept.trainings.items()}
    )
    assert np.count_nonzero(lost.test_set - np.diag(np.diag(lost.test_set))) == 0
    for name in kept.names:
        assert lost.interval(name).estimate == kept.interval(name).estimate
        assert lost.interval(name).half > kept.interval(name).half


def test_nets_of_different_test_sets_are_refused():
    with pytest.raises(ValueError, match="different numbers of images"):
        Accuracies.of({"a": np.ones((1, 3), bool), "b": np.ones((1, 4), bool)})
