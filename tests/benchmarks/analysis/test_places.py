from itertools import combinations

import numpy as np
import pytest

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.differences import difference
from benchmarks.analysis.places import Places, places
from tests.benchmarks.analysis.simulation import World

# Tables, and how many in a hundred may hold a false difference: 5, and three standard errors.
TABLES = [(100, 0.115), pytest.param(1500, 0.067, marks=pytest.mark.slow)]
EQUAL = {
    "3 seeds": World((1.5,) * 6),
    "3 unlike seeds": World((1.5,) * 6, seed=0.1),
    "2 unlike seeds": World((1.5,) * 6, seeds=2, seed=0.1),
    "3 nets": World((1.5,) * 3, seed=0.1),
    "1 seed": World((1.5,) * 6, seeds=1, seed=0.0, interaction=0.2),
}


def drawn(world, seed=0):
    return world.draw(np.random.default_rng(seed))


@pytest.mark.parametrize(("tables", "most"), TABLES)
@pytest.mark.parametrize("world", EQUAL.values(), ids=EQUAL)
def test_equal_nets_are_rarely_separated(world, tables, most):
    generator = np.random.default_rng(5)
    separated = [places(world.draw(generator)).better.any() for _ in range(tables)]
    assert np.mean(separated) <= most


def test_places_are_separated_where_nets_differ():
    table = drawn(World((2.0, 1.95, 0.5, 3.5), seeds=3))
    found = places(table)
    assert found.names[0] == "net3"
    assert found.places == {"net3": (1, 1), "net0": (2, 3), "net1": (2, 3), "net2": (4, 4)}
    assert found.letters == {"net3": "a", "net0": "b", "net1": "b", "net2": "c"}


def test_places_are_the_same_whenever_asked_and_in_whatever_order():
    table = drawn(World((1.5, 1.45, 1.4, 1.2)))
    again = Accuracies(dict(reversed(table.trainings.items())))
    assert places(table).places == places(table).places
    assert places(table).letters == places(again).letters


def test_all_pairs_together_need_more_than_one_pair():
    two, six = (places(drawn(World((1.5,) * nets))) for nets in (2, 6))
    assert two.widening == 1
    assert 1.3 < six.widening < 1.7  # t for 15 pairs by Bonferroni would be 1.5 times as large


@pytest.mark.parametrize("seed", range(20))
def test_nets_share_a_letter_exactly_where_they_are_not_separated(seed):
    generator = np.random.default_rng(seed)
    nets = int(generator.integers(1, 25))  # letters a to z
    values, names = -np.sort(-generator.normal(size=nets)), [f"net{i}" for i in range(nets)]
    threshold = generator.uniform(0.05, 1, (nets, nets))
    better = np.triu(values[:, None] - values > threshold, 1)
    letters = Places(names, better, 1.0, None).letters
    for i, j in combinations(range(nets), 2):
        shared = set(letters[names[i]]) & set(letters[names[j]])
        assert bool(shared) == (not better[i, j])


def test_the_detectable_difference_of_a_table_is_found_among_all_its_pairs():
    world, generator = World((1.5,) * 5, seeds=5, images=4000), np.random.default_rng(2)
    detectable = [places(world.draw(generator)).detectable.now for _ in range(20)]
    world, found = world.with_last_worse(by=np.mean(detectable)), []
    for result in (places(world.draw(generator)) for _ in range(80)):
        last = result.names.index("net4")
        found += [result.better[result.names.index(name), last] for name in world.names[:-1]]
    assert 0.7 <= np.mean(found) <= 0.9


def test_what_lowers_the_detectable_difference_is_said():
    many_images = places(drawn(World((1.5,) * 4, seeds=3, images=20_000, seed=0.05))).detectable
    assert many_images.now > many_images.at_best
    assert many_images.seeds > 3
    few_images = places(drawn(World((1.5,) * 4, seeds=3, images=500))).detectable
    assert few_images.seeds is None
    assert few_images.at_best > few_images.margin
    one_seed = places(drawn(World((1.5,) * 4, seeds=1))).detectable
    assert one_seed.at_best is None


def test_a_table_of_one_net_has_one_place():
    found = places(drawn(World((1.5,))))
    assert found.places == {"net0": (1, 1)}
    assert found.letters == {"net0": "a"}
    assert found.detectable is None


def test_copies_of_a_net_share_their_place():
    table = drawn(World((1.5, 1.0)))
    right = {name: each.correct for name, each in table.trainings.items()}
    found = places(Accuracies.of(right | {"copy": right["net0"]}))
    assert found.places["copy"] == found.places["net0"] == (1, 2)
    pair = difference(Accuracies.of(right | {"copy": right["net0"]}), "net0", "copy")
    assert pair.interval.estimate == 0
