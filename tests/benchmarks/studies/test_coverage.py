import numpy as np
import pandas as pd
import pytest

from benchmarks import studies
from benchmarks.analysis.intervals import Interval
from benchmarks.errors import UsageError
from benchmarks.studies import coverage
from benchmarks.studies.base import Context

SMALL = {"protocol.epochs": 1, "protocol.train_examples": 30}


@pytest.mark.usefixtures("in_this_process")
def test_trainings_are_cut_into_groups(small_fashion_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(coverage, "CUTS", 3)
    monkeypatch.setattr(coverage, "SIZES", {2: "two", 3: "three"})
    study = studies.load("coverage")
    context = Context(tmp_path / "coverage", "cpu", small_fashion_mnist)
    assert study.run(study.settings("quick", SMALL | {"seeds": "0,1,2,3"}), context)
    text = study.rebuild(context.folder)
    held, equal = study.verdicts(study.read(context.folder))  # three are too many
    assert held.claim == "Intervals of two trainings hold the truth"
    assert equal.figure == "Share of 3 overlapping cases"
    assert all(each.low <= each.effect <= each.high for each in (held, equal))
    assert held.sentence in text
    assert (context.folder / "plots" / "coverage.png").exists()

    monkeypatch.setattr(coverage, "SIZES", {3: "three"})
    with pytest.raises(UsageError, match="needs 6 trainings"):
        study.rebuild(context.folder)


def simulated(of_seeds: float) -> np.ndarray:
    """40 trainings on 800 images, whose accuracies differ by seeds as far as `of_seeds` says."""
    random = np.random.default_rng(0)
    images, seeds = random.normal(1.5, 1.5, 800), random.normal(0, of_seeds, (40, 1))
    return images + seeds + random.normal(0, 0.8, (40, 800)) > 0


def test_intervals_that_leave_out_a_source_of_chance_hold_the_truth_less_often():
    far_apart, alike = (
        pd.DataFrame(coverage.cases(simulated(of_seeds), 3, cuts=20))
        .groupby("method")["hit"]
        .mean()
        for of_seeds in (1.0, 0.0)
    )
    for shares in (far_apart, alike):
        assert 0.9 < shares[coverage.CROSSED] < 0.995
        assert shares[coverage.EQUAL] < 0.1
    assert far_apart[coverage.BINOMIAL] < 0.7
    assert alike[coverage.OF_SEEDS] < alike[coverage.CROSSED]


def test_groups_of_a_cut_are_disjoint_and_the_first_cut_is_in_order():
    found = pd.DataFrame(coverage.cases(simulated(0.1), 5, cuts=2))
    for cut, own in found[found["method"] == coverage.CROSSED].groupby("cut"):
        assert frozenset().union(*own["members"]) == set(range(40))
        assert own["members"].map(len).tolist() == [5] * 8
        assert (own["members"].iloc[0] == set(range(5))) == (cut == 0)


def test_the_interval_of_a_difference_is_made_of_both():
    away = coverage._less(Interval(0.8, 0.77, 0.84), Interval(0.7, 0.66, 0.73))
    ends = away.estimate, away.low, away.high
    assert ends == pytest.approx((0.1, 0.1 - np.hypot(0.03, 0.03), 0.1 + np.hypot(0.04, 0.04)))


def test_overlap_widens_the_interval_of_a_share():
    members = [frozenset({2 * i, 2 * i + 1}) for i in range(20)]
    hits = [i % 5 > 0 for i in range(20)]
    once = pd.DataFrame({"cut": 0, "members": members, "hit": hits})
    again = pd.concat([once.assign(cut=cut) for cut in range(9)])
    assert coverage._share(once).estimate == coverage._share(again).estimate == 0.8
    assert coverage._share(again).half == pytest.approx(coverage._share(once).half, rel=0.15)
