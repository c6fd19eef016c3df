"""A run that is killed, wherever it stands, hurts no other and goes on to the same bits."""

import dataclasses
import os
import random
import signal
import time

import pytest
from upath import UPath

from benchmarks.records.record import DIVERGED, FAILED, KILLED, OK, TIMEOUT
from benchmarks.records.store import RecordStore
from tests.faults.saboteur import Fault

STEP = "lit_models.classifier:LitClassifier.training_step"
EPOCH_END = "lit_models.classifier:LitClassifier.on_train_epoch_end"
TEST_STEP = "lit_models.classifier:LitClassifier.test_step"
UPDATE = "torch.optim:AdamW.step"
SAVE = "benchmarks.training.checkpoint_file:CheckpointFile.save_checkpoint"
HASH = "hashlib:file_digest"  # of a checkpoint whose content is written
WEIGHTS = "benchmarks.training.weights:save_model"
SEND = "multiprocessing.connection:Connection.send"

EVERY_STEP, EVERY_EPOCH = 0.0, 1e9

# 15 steps, 5 an epoch; the test set has 3 batches.
FEW = [
    (Fault(STEP, 8), EVERY_STEP),
    (Fault(STEP, 8), EVERY_EPOCH),
    (Fault(HASH, 7), EVERY_STEP),
    (Fault(TEST_STEP, after=True), EVERY_EPOCH),
    (Fault(WEIGHTS, after=True), EVERY_EPOCH),
]
MANY = [
    (Fault("benchmarks.training.preparation:initialise"), EVERY_STEP),
    *((Fault(STEP, nth), EVERY_STEP) for nth in (1, 2, 5, 6, 11, 15)),
    *((Fault(UPDATE, nth, after=True), EVERY_STEP) for nth in (1, 4, 5, 10, 15)),
    *((Fault(SAVE, nth), EVERY_STEP) for nth in (1, 5, 15)),
    *((Fault(HASH, nth), EVERY_STEP) for nth in (1, 5, 6, 15)),
    *((Fault(SAVE, nth, after=True), EVERY_STEP) for nth in (1, 5, 6, 15)),
    *((Fault(EPOCH_END, nth), EVERY_EPOCH) for nth in (1, 2, 3)),
    *((Fault(EPOCH_END, nth, after=True), EVERY_EPOCH) for nth in (1, 2, 3)),
    (Fault(TEST_STEP), EVERY_EPOCH),
    (Fault(WEIGHTS), EVERY_EPOCH),
    (Fault("benchmarks.training.weights:save", after=True), EVERY_EPOCH),
    (Fault("benchmarks.measurement.loop_timings:measure"), EVERY_EPOCH),
    (Fault("benchmarks.measurement.flops:training_flops"), EVERY_EPOCH),
    (Fault("benchmarks.machine.environment:describe"), EVERY_EPOCH),
    (Fault(SEND, 4), EVERY_EPOCH),  # the record, after what it said it was doing
]


def survives(run_sweep, check, results, fault, seconds):
    first, second = run_sweep(results, fault, checkpoint_seconds=seconds)
    assert (first.status, second.status) == (KILLED, OK)
    assert "SIGKILL" in first.error
    run_sweep(results, checkpoint_seconds=seconds)
    return check(results)[0]


@pytest.mark.parametrize(("fault", "seconds"), FEW, ids=str)
def test_a_killed_run_goes_on_to_the_bit(run_sweep, check, tmp_path, counted, fault, seconds):
    counted()
    assert survives(run_sweep, check, tmp_path, fault, seconds).resources.resumed == 1


def test_at_a_url_too(run_sweep, check, tmp_path, counted):
    """`file` as fsspec has it, and any other file system: without renaming, objects put whole."""
    counted()
    results = UPath(f"file://{tmp_path}")
    assert survives(run_sweep, check, results, Fault(STEP, 8), EVERY_STEP).resources.resumed == 1


@pytest.mark.faults
@pytest.mark.parametrize(("fault", "seconds"), MANY, ids=str)
def test_wherever_it_is_killed(run_sweep, check, tmp_path, counted, fault, seconds):
    counted()
    survives(run_sweep, check, tmp_path, fault, seconds)


@pytest.mark.faults
def test_killed_again_and_again(run_sweep, check, tmp_path, counted):
    """Each process comes a step further than the one before."""
    for _ in range(6):
        counted()
        record, _ = sorted(
            run_sweep(tmp_path, Fault(STEP, 3), checkpoint_seconds=EVERY_STEP),
            key=lambda record: record.setup.seed,
        )
        assert record.status == KILLED
    run_sweep(tmp_path, checkpoint_seconds=EVERY_STEP)
    assert check(tmp_path)[0].resources.resumed == 6


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (Fault(STEP, 4, action="break"), FAILED, "RuntimeError: a fault | of <this> net"),
        (Fault(STEP, 4, action="exhaust", always=True), FAILED, "memory"),
        (Fault(STEP, 4, action="hang"), TIMEOUT, "took longer than 12 seconds"),
        (Fault(STEP, 4, action="terminate"), KILLED, "SIGTERM"),
        (Fault("lit_models:build", action="break"), FAILED, "a fault"),
    ],
    ids=str,
)
def test_other_ends_leave_their_reason_and_the_rest_runs(
    run_sweep, check, tmp_path, counted, fault, status, reason
):
    counted()
    first, second = sorted(run_sweep(tmp_path, fault, timeout=12), key=lambda r: r.setup.seed)
    assert (first.status, second.status) == (status, OK)
    assert reason in first.error
    run_sweep(tmp_path)
    check(tmp_path)


def test_a_step_for_which_memory_runs_out_is_taken_in_parts(run_sweep, tmp_path, counted):
    """From the start: what was saved before is of other parts."""
    counted()
    fault = Fault(STEP, 9, action="exhaust")
    first, second = run_sweep(tmp_path, fault, checkpoint_seconds=EVERY_STEP)
    assert (first.status, second.status) == (OK, OK)
    assert (first.resources.micro_batches, second.resources.micro_batches) == (2, 1)
    assert first.resources.resumed == 0
    assert len(first.history) == first.setup.epochs
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.faults
@pytest.mark.parametrize("number", range(4))
def test_the_whole_sweep_killed_at_a_random_time(command, check, tmp_path, counted, number):
    counted()
    process = command(tmp_path, "--checkpoint-seconds=0")
    for line in process.stdout:
        if "[1/2]" in line:
            break
    time.sleep(random.Random(number).uniform(0, 4))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = command(tmp_path)
    output, errors = done.communicate(timeout=200)
    assert done.returncode == 0, errors
    assert "Traceback" not in errors
    assert "\ntiny " in output
    check(tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize(
    "fault",
    [
        Fault(
            "benchmarks.records.store:write_atomic", 2, action="tear"
        ),  # the first is the identity
        Fault("benchmarks.records.store:write_atomic", 2, after=True),
        Fault("benchmarks.records.store:write_atomic", 3),
        Fault("benchmarks.records.artifacts:write_atomic", action="tear"),
        Fault("benchmarks.records.artifacts:write_atomic", after=True),
        Fault("benchmarks.report.rebuild:write_atomic", 2, action="tear"),
    ],
    ids=str,
)
def test_the_sweep_killed_while_it_writes(command, check, tmp_path, counted, fault):
    counted()
    process = command(tmp_path, sweep_fault=fault)
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL
    done = command(tmp_path)
    _, errors = done.communicate(timeout=200)
    assert done.returncode == 0, errors
    check(tmp_path)


def test_a_diverged_run_is_stopped_with_its_step(run_sweep, specs, tmp_path, counted):
    protocol = dataclasses.replace(
        specs[0].protocol,
        optimizer="sgd",
        learning_rate=1e30,
        clip_norm=None,
        schedule="constant",
        epochs=100_000,
    )
    counted()
    spec = dataclasses.replace(specs[0], protocol=protocol)
    (record,) = run_sweep(tmp_path, specs=[spec], timeout=120)
    assert record.status == DIVERGED
    assert "at step" in record.error
    assert not RecordStore(tmp_path).checkpoint(spec).exists()
