import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.analysis import speeds
from benchmarks.analysis.metrics import METRICS
from benchmarks.records import store
from tests.benchmarks.results import ROUNDS

RATES = st.floats(1e-3, 1e6, allow_subnormal=False)
PROCESSES = st.lists(RATES, min_size=1, max_size=2)
TIMED = st.lists(st.lists(RATES, min_size=1, max_size=6), min_size=1, max_size=2)
DRIFTS = st.floats(0, 2, allow_subnormal=False)


@given(PROCESSES, TIMED, DRIFTS)
def test_an_interval_holds_every_rate_and_widens_with_the_drift(rates, rounds, drift):
    found = speeds.interval(rates, rounds, drift)
    timed = [*rates, *(each for process in rounds for each in process)]
    assert found.low <= min(timed) * (1 + 1e-9)
    assert found.high >= max(timed) * (1 - 1e-9)
    steady = speeds.interval(rates, rounds)
    assert steady.low == pytest.approx(min(timed))
    assert steady.high == pytest.approx(max(timed))
    assert found.low <= steady.low
    assert found.high >= steady.high
    if drift:
        assert found.high >= found.estimate * (1 + drift) * (1 - 1e-9)


@given(PROCESSES, TIMED, DRIFTS, st.floats(1e-2, 1e2, allow_subnormal=False))
def test_an_interval_has_the_unit_of_the_speed(rates, rounds, drift, factor):
    found = speeds.interval(rates, rounds, drift)
    scaled = speeds.interval(
        [factor * each for each in rates], [[factor * r for r in p] for p in rounds], drift
    )
    expected = [factor * each for each in (found.estimate, found.low, found.high)]
    assert [scaled.estimate, scaled.low, scaled.high] == pytest.approx(expected)
    assume(abs(found.half / found.estimate - speeds.WIDE) > 1e-6)
    assert speeds.is_wide(scaled) == speeds.is_wide(found)


def test_a_rate_and_five_rounds_hold_the_median_of_such_processes():
    drawn = np.random.default_rng(0).lognormal(5, 0.1, (2000, 6))
    found = [speeds.interval(each[:1], [each[1:]]) for each in drawn]
    inside = np.mean([each.low <= math.exp(5) <= each.high for each in found])
    assert 0.95 <= inside <= 0.985  # 1 - 2 / 2**6 = 0.969


def test_three_processes_count_rather_than_rounds_and_drift():
    generator = np.random.default_rng(0)
    drawn = np.exp(generator.normal(5, 0.1, (1000, 3)))
    found = [speeds.interval(each, [[1.0, 1000.0]] * 3, drift=0.5) for each in drawn]
    inside = np.mean([each.low <= math.exp(5) <= each.high for each in found])
    assert 0.93 <= inside <= 0.97


def test_one_rate_alone_has_no_interval():
    found = speeds.interval([100.0], [[]])
    assert not found.is_known
    assert not speeds.is_wide(found)


@pytest.mark.parametrize(("drift", "wide"), [(0.0, False), (0.2, True)])
def test_speeds_of_runs_have_their_rounds_and_drift(make_results, tmp_path, drift, wide):
    folder = make_results(tmp_path, {"lenet": [0.8]}, reference_drift=drift)
    for name, rate in (("examples_per_sec", 100.0), ("relative_speed", 0.5)):
        found = speeds.of_runs(METRICS[name], store.load(folder))
        assert found.estimate == pytest.approx(rate)
        assert speeds.is_wide(found) == wide
        if not drift:
            ends = rate * min(ROUNDS), rate * max(ROUNDS)
            assert (found.low, found.high) == pytest.approx(ends)


def test_a_ratio_timed_in_turns_has_no_drift(make_results, tmp_path):
    turns = {"relative_speed": {"samples": [0.49, 0.5, 0.52]}}
    folder = make_results(tmp_path, {"lenet": [0.8]}, reference_drift=0.2, samples=turns)
    found = speeds.of_runs(METRICS["relative_speed"], store.load(folder))
    assert (found.low, found.high) == pytest.approx((0.49, 0.52))
    assert speeds.is_wide(speeds.of_runs(METRICS["examples_per_sec"], store.load(folder)))


def test_runs_without_a_speed_have_no_interval(make_results, tmp_path):
    folder = make_results(tmp_path, {"lenet": [0.8]}, relative_speed=None)
    assert speeds.of_runs(METRICS["relative_speed"], store.load(folder)) is None
