import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.analysis.intervals import Interval
from benchmarks.report.text import WIDTH, aligned, compact, filled, measured, shortened

UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (61_706, "61.7 k"),
        (999_499, "999 k"),
        (999_500, "1.00 M"),
        (11_175_370, "11.2 M"),
        (1_399_955_456, "1.40 G"),
    ],
)
def test_amounts_have_three_digits(number, text):
    assert compact(number) == text


@given(st.integers(1, 10**17))
@example(9_995)
def test_an_amount_is_right_to_three_digits(number):
    value, _, unit = compact(number).replace(",", "").partition(" ")
    assert float(value) * UNITS[unit] == pytest.approx(number, rel=0.0051)
    assert len(value) <= 4 or number >= 10**18 or unit == "P"


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (1918.1, 532.0, "1,900 ± 500"),
        (123.53, 9.6, "124 ± 10"),
        (41.97, 1.94, "42.0 ± 1.9"),
        (0.03666, 0.0028, "0.037 ± 0.003"),
        (22962.0, 167.0, "22,960 ± 170"),
        (1234.5, math.nan, "1,234"),
        (0.1234, math.nan, "0.12"),
        (5.0, 0.0, "5.0"),
        (0.65, 1e-16, "0.65"),
    ],
)
def test_a_value_has_the_digits_that_its_interval_leaves_certain(value, half, text):
    assert measured(Interval(value, value - half, value + half)) == text
    assert (
        measured(Interval(value, value - half, value + half), with_half=False)
        == (text.partition(" ±")[0])
    )


@given(st.floats(1e-3, 1e7, allow_subnormal=False), st.floats(1e-3, 0.5, allow_subnormal=False))
def test_rounding_changes_a_value_by_less_than_half_its_interval(value, relative):
    half = relative * value
    shown, shown_half = (
        float(part.replace(",", ""))
        for part in measured(Interval(value, value - half, value + half)).split(" ± ")
    )
    assert abs(shown - value) <= 0.51 * half
    assert shown_half == pytest.approx(half, rel=0.34)


@given(st.lists(st.lists(st.text("abc ±", max_size=9), min_size=3, max_size=3), min_size=1))
def test_lines_are_aligned(rows):
    lines = aligned(rows, "|")
    assert len({len(line) for line in lines}) == 1
    for line, row in zip(lines, rows, strict=True):
        assert [cell.strip() for cell in line.split("|")] == [cell.strip() for cell in row]


@given(st.text(max_size=300), st.integers(2, 120))
def test_a_shortened_text_is_one_line_that_fits(text, width):
    short = shortened(text, width)
    assert len(short) <= width
    assert len(short.splitlines()) <= 1
    assert short == " ".join(text.split()) or short.endswith("…")


@given(st.lists(st.from_regex(r"[a-z.,%±-]{1,20}", fullmatch=True), min_size=1, max_size=60))
def test_paragraphs_keep_their_words_and_fit(words):
    text = filled("- " + " ".join(words))
    assert text.split() == ["-", *words]
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert all(re.match(r"- |  ", line) for line in text.splitlines())
