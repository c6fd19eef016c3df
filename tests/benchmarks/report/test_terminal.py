import io
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.analysis.intervals import Interval
from benchmarks.records.record import FAILED
from benchmarks.report import terminal
from benchmarks.report.standing import Standing
from benchmarks.report.terminal import where
from benchmarks.report.text import WIDTH
from tests.benchmarks.report.frames import frame, varied

NAMES = st.from_regex(r"[a-z][a-z0-9_/.:]{0,60}(\[[a-z_]{1,20}=[a-z0-9.]{1,20}\])?", fullmatch=True)
RATES = st.floats(1e-3, 1e9, allow_subnormal=False)
COLUMNS = ["model", "test acc.", "examples/sec", "seconds"]


def shown(rows, width, standing=None):
    return terminal.terminal(rows, standing, width).splitlines()


@settings(max_examples=12, deadline=None)
@given(
    st.lists(NAMES, min_size=1, max_size=4, unique=True), RATES, st.integers(0, 99), st.booleans()
)
def test_no_line_is_wider_than_the_terminal(names, rate, seconds, has_failed):
    others = [{"model": name, "examples_per_sec": rate, "fit_seconds": seconds} for name in names]
    if has_failed:
        others[0] |= {"status": FAILED, "error": "no memory\nleft " * 20}
    rows = frame(*others)
    rate_of = dict.fromkeys(rows["model"], Interval(rate, 0.8 * rate, 1.3 * rate))
    places = dict.fromkeys(rows["model"], "10-12 bcd")
    stands = Standing(
        places=places, speeds={"examples_per_sec": rate_of, "relative_speed": rate_of}
    )
    for width in (40, 80, 120):
        lines = shown(rows, width, stands)
        assert all(len(line) <= width for line in lines)
        pieces = "".join(line[: terminal.LEAST_NAME] for line in lines)
        assert all(name[: terminal.LEAST_NAME - 1] in pieces for name in names)


def test_there_is_room_for_everything_on_eighty_columns():
    header, *lines = shown(frame(), 80)
    assert [cell.strip() for cell in header.split("  ") if cell.strip()] == COLUMNS
    assert [line.split()[0] for line in lines] == ["resnet18", "lenet"]


def test_a_long_name_goes_on_in_the_next_line():
    name = "convnet[first_layer_filters=8]"
    lines = shown(frame({"model": name, "test_accuracy": 0.99}), 45)
    first, second = lines[1].split("  ")[0], lines[2]
    assert name.startswith(first + second.strip())
    assert "0.990" in lines[1]
    assert "0.990" not in second


def test_a_failure_has_a_short_reason():
    rows = frame({"model": "nin", "status": FAILED, "error": "out of memory " * 20})
    last = shown(rows, 60)[-1]
    assert last.startswith("nin (seed 0) failed: out of memory")
    assert len(last) == 60
    assert last.endswith("…")


def test_values_of_a_varied_field_are_in_the_name():
    lines = shown(varied("batch_size", [16, 1024]), 80)
    assert [line.split("  ")[0] for line in lines[1:3]] == [
        "resnet18, batch size 16",
        "resnet18, batch size 1,024",
    ]


def test_other_conditions_are_marked():
    lines = shown(frame({"commit": "def"}), 80)
    assert any(line.startswith("googlenet ¹") for line in lines)


@pytest.mark.parametrize(("is_terminal", "columns"), [(True, 57), (False, WIDTH)])
def test_the_width_is_that_of_the_terminal(monkeypatch, is_terminal, columns):
    output = io.StringIO()
    output.isatty = lambda: is_terminal
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("COLUMNS", "57")
    assert terminal.width() == columns


def test_the_files_that_are_there_are_named(tmp_path):
    (tmp_path / "table.md").touch()
    assert where(tmp_path) == f"written to {tmp_path}: table.md"
