"""Of a run on several devices, no rank outlives another, and it goes on to the same bits."""

import dataclasses
import re
import signal

import pytest

from benchmarks.planning.plan import DDP
from benchmarks.records.record import FAILED, KILLED, OK, TIMEOUT
from benchmarks.records.store import load
from tests.faults.conftest import numbers
from tests.faults.saboteur import Fault
from tests.faults.test_kills import EPOCH_END, EVERY_EPOCH, EVERY_STEP, SAVE, STEP, TEST_STEP
from tests.faults.test_stops import LONG, ends, wait_for_checkpoint


@pytest.fixture(scope="session")
def shared(specs):
    """The first run of the sweep, by two processes."""
    return dataclasses.replace(specs[0], devices=2, strategy=DDP)


@pytest.fixture(scope="session")
def shared_reference(run_sweep, shared, tmp_path_factory):
    (record,) = run_sweep(tmp_path_factory.mktemp("reference of two"), specs=[shared])
    assert record.status == OK
    return numbers(record)


def strike(run_sweep, shared, results, fault, **options):
    """The record of a run that a fault strikes, and that of the next attempt."""
    (struck,) = run_sweep(results, fault, specs=[shared], **options)
    (record,) = run_sweep(results, specs=[shared], **options)
    assert not list(results.rglob("*.part"))
    assert not list(results.rglob("*.ckpt"))
    assert load(results / shared.folder) == [record]
    return struck, record


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Fault(STEP, 8, rank=1), EVERY_STEP),
        (Fault(SAVE, 7, action="tear", rank=0), EVERY_STEP),
        pytest.param(Fault(STEP, 8, rank=0), EVERY_EPOCH, marks=pytest.mark.faults),
        pytest.param(Fault(STEP, 8), EVERY_EPOCH, marks=pytest.mark.faults),
        pytest.param(Fault(EPOCH_END, 2, rank=1), EVERY_EPOCH, marks=pytest.mark.faults),
        pytest.param(Fault(TEST_STEP, 2, rank=1), EVERY_EPOCH, marks=pytest.mark.faults),
        pytest.param(
            Fault("benchmarks.run:initialise", rank=1), EVERY_STEP, marks=pytest.mark.faults
        ),
        pytest.param(
            Fault("benchmarks.measurement.loop_timings:measure", rank=1),
            EVERY_STEP,
            marks=pytest.mark.faults,
        ),
    ],
    ids=str,
)
def test_a_killed_rank_ends_the_run_which_goes_on_to_the_bit(
    run_sweep, shared, shared_reference, tmp_path, counted, fault, seconds
):
    counted()
    struck, record = strike(run_sweep, shared, tmp_path, fault, checkpoint_seconds=seconds)
    assert struck.status == KILLED
    rank = "[01]" if fault.rank is None else fault.rank
    assert re.match(f"the process of rank {rank} was killed by SIGKILL", struck.error)
    assert numbers(record) == shared_reference
    assert record.resources.resumed == ("initialise" not in fault.place)


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (Fault(STEP, 4, action="terminate", rank=1), KILLED, "SIGTERM"),
        pytest.param(
            Fault(STEP, 4, action="hang", rank=1),
            TIMEOUT,
            "took longer than 12 seconds",
            marks=pytest.mark.faults,
        ),
        pytest.param(
            Fault(STEP, 4, action="break", rank=1), FAILED, "a fault", marks=pytest.mark.faults
        ),
    ],
    ids=str,
)
def test_other_ends_of_a_rank_leave_their_reason(
    run_sweep, shared, shared_reference, tmp_path, counted, fault, status, reason
):
    counted()
    struck, record = strike(run_sweep, shared, tmp_path, fault, timeout=12)
    assert struck.status == status
    assert reason in struck.error
    assert numbers(record) == shared_reference
    # Told to terminate, all ranks saved the same step.
    assert record.resources.resumed == (status == KILLED)


@pytest.mark.faults
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_no_rank_outlives_the_sweep(command, tmp_path, counted, kill):
    counted()
    process = command(tmp_path, LONG, "--checkpoint-seconds=0", "--devices=2")
    wait_for_checkpoint(process, tmp_path)
    process.send_signal(kill)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if kill == signal.SIGTERM else -kill)
    assert "Traceback" not in errors
    assert ends(process.pid)
    assert len(list(tmp_path.rglob("*.ckpt"))) == 1
