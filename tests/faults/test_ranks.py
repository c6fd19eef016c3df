"""No rank of a run outlives another, and the run goes on to the same bits."""

import dataclasses
import re
import signal

import pytest

from benchmarks.planning.placement import DDP, Placement
from benchmarks.records.record import FAILED, KILLED, OK, TIMEOUT
from benchmarks.records.store import load
from tests.faults.conftest import numbers
from tests.faults.saboteur import Fault
from tests.faults.test_kills import EPOCH_END, EVERY_EPOCH, EVERY_STEP, HASH, STEP, TEST_STEP
from tests.faults.test_stops import LONG, ends, wait_for_checkpoint


@pytest.fixture(scope="session")
def shared(specs):
    """The first run of the sweep, on two ranks."""
    return dataclasses.replace(specs[0], placement=Placement("cpu", 2, strategy=DDP))


@pytest.fixture(scope="session")
def shared_reference(run_sweep, shared, tmp_path_factory):
    (record,) = run_sweep(tmp_path_factory.mktemp("reference of two"), specs=[shared])
    assert record.status == OK
    return numbers(record)


@pytest.fixture
def strike(run_sweep, shared, shared_reference, tmp_path, counted):
    """Strikes the run with faults, one an attempt, then finishes it; returns all records."""

    def strike(*faults, **options):
        counted(len(faults))
        attempts = (run_sweep(tmp_path, fault, specs=[shared], **options) for fault in faults)
        struck = [record for (record,) in attempts]
        (record,) = run_sweep(tmp_path, specs=[shared], **options)
        assert not list(tmp_path.rglob("*.part"))
        assert not list(tmp_path.rglob("*.ckpt"))
        assert load(tmp_path / shared.folder) == [record]
        assert numbers(record) == shared_reference
        return [*struck, record]

    return strike


def test_ranks_go_on_to_the_bit_after_a_stop_and_a_kill(strike):
    faults = Fault(STEP, 4, action="terminate", rank=1), Fault(STEP, 4, rank=1)
    stopped, killed, record = strike(*faults, checkpoint_seconds=EVERY_STEP)
    assert (stopped.status, killed.status) == (KILLED, KILLED)
    assert "SIGTERM" in stopped.error
    assert killed.error.startswith("the process of rank 1 was killed by SIGKILL")
    assert record.resources.resumed == 2


@pytest.mark.faults
@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Fault(HASH, 7, rank=0), EVERY_STEP),
        (Fault(STEP, 8, rank=0), EVERY_EPOCH),
        (Fault(STEP, 8), EVERY_EPOCH),
        (Fault(EPOCH_END, 2, rank=1), EVERY_EPOCH),
        (Fault(TEST_STEP, 2, rank=1), EVERY_EPOCH),
        (Fault("benchmarks.training.preparation:initialise", rank=1), EVERY_STEP),
        (Fault("benchmarks.measurement.loop_timings:measure", rank=1), EVERY_STEP),
    ],
    ids=str,
)
def test_wherever_a_rank_is_killed(strike, fault, seconds):
    struck, record = strike(fault, checkpoint_seconds=seconds)
    assert struck.status == KILLED
    rank = "[01]" if fault.rank is None else fault.rank
    assert re.match(f"the process of rank {rank} was killed by SIGKILL", struck.error)
    assert record.resources.resumed == ("initialise" not in fault.place)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        # All ranks save the same step, in the midst of an epoch.
        (Fault(STEP, 4, action="terminate", rank=1), KILLED, "SIGTERM"),
        (Fault(STEP, 4, action="hang", rank=1), TIMEOUT, "took longer than 12 seconds"),
        (Fault(STEP, 4, action="break", rank=1), FAILED, "a fault"),
    ],
    ids=str,
)
def test_other_ends_of_a_rank_leave_their_reason(strike, fault, status, reason):
    struck, record = strike(fault, timeout=12)
    assert struck.status == status
    assert reason in struck.error
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
