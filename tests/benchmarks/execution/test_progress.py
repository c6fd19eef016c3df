import io
import sys

import pytest

from benchmarks.execution.estimates import Estimates
from benchmarks.execution.progress import Progress, duration
from benchmarks.training.stage import TESTING, TRAINING, Stage
from tests.runs import record_of

DONE = {"test_accuracy": 0.5, "examples_per_sec": 1_000.0, "fit_seconds": 5.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def specs(make_spec):
    return [make_spec(seed=seed) for seed in range(3)]


def carry_out(specs):
    """Show a run of two stages, and the start and end of the next."""
    with Progress(specs, Estimates({}, {}), jobs=1) as progress:
        progress.started(specs[0], "")
        for stage in (
            Stage(TRAINING),
            Stage(TRAINING, 14.2, 0.25),
            Stage(TRAINING, 10.2, 0.5),
            Stage(TESTING, 3.0, 1.0),
        ):
            progress.update({specs[0].key: stage})
        progress.ended(specs[0], record_of(specs[0], **DONE, total_seconds=14.0))


def test_a_log_has_three_lines_a_run(specs, capsys):
    carry_out(specs)
    assert capsys.readouterr().out.splitlines() == [
        "[1/3] lenet (seed 0) ...",
        "[1/3] lenet (seed 0): about 14 s left; the sweep about 43 s",
        "[1/3] lenet (seed 0): test accuracy 0.500, 1,000 examples/sec, "
        "5 s of training, 14 s in all",
    ]


def test_a_terminal_shows_what_a_run_is_doing(specs, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    carry_out(specs)
    shown = terminal.getvalue()
    for text in (
        "lenet (seed 0): training 0%",
        "lenet (seed 0): training 25%, about 14 s left; the sweep about 43 s",
        "lenet (seed 0): testing, about 3 s left",
        "[1/3] lenet (seed 0): test accuracy 0.500",
    ):
        assert text in shown


def test_durations_are_as_rough_as_an_estimate():
    seconds = (0.2, 14.4, 89.0, 91.0, 720.0, 5_000.0, 6_000.0)
    words = ["1 s", "14 s", "89 s", "1.5 min", "12 min", "83 min", "1.7 h"]
    assert [duration(value) for value in seconds] == words
