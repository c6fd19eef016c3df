import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.report import drawing
from benchmarks.report.style import look

values = st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=20)
fractions = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=20).map(sorted)


@given(values, st.floats(0.01, 10))
def test_an_axis_shows_all_values_and_has_its_least_range(shown, least):
    low, high = drawing.with_least_range(shown, least)
    assert low <= min(shown)
    assert high >= max(shown)
    assert high - low >= least * (1 - 1e-9)


@given(fractions, st.floats(0.01, 0.2))
def test_names_are_moved_apart_within_the_axes_and_no_further(places, distance):
    moved = drawing.apart(places, distance)
    room = min(distance, 1 / max(1, len(places) - 1))
    assert (np.diff(moved) >= room - 1e-9).all()
    assert -1e-9 <= moved[0] <= moved[-1] <= 1 + 1e-9
    if (np.diff(places) >= distance).all():
        assert moved == pytest.approx(places, abs=1e-9)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (12, "12"), (20_000, "20,000"), (11_175_370, "11.2 M"), (5.6e12, "5.6 T")],
)
def test_amounts_are_written_out(value, text):
    assert drawing.amount(value) == text


@pytest.mark.parametrize(("share", "is_near"), [(0.1, True), (0.02, False), (np.nan, False)])
def test_chance_is_drawn_where_a_score_is_near_it(share, is_near):
    axes = plt.figure().add_subplot()
    assert drawing.chance_line(axes, "y", share, [0.15, 0.9]) == ([share] if is_near else [])
    assert [text.get_text() for text in axes.texts] == (["chance"] if is_near else [])
    plt.close()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_names_of_points_cover_neither_each_other_nor_the_frame(seed):
    places = np.random.default_rng(seed).random((15, 2))
    with look():
        figure, axes = plt.subplots(figsize=(9, 6))
        dots = axes.scatter(*places.T, s=60)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        names = {f"model{number:02}": tuple(at) for number, at in enumerate(places)}
        drawing.name_points(axes, names, dict.fromkeys(names, "#0072b2"), dots)
    frame = axes.get_window_extent()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    plt.close(figure)
