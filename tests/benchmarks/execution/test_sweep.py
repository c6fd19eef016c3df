import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import count

import pytest
import torch

from benchmarks import run
from benchmarks.execution import sweep as sweeps
from benchmarks.execution.local import LocalExecutor
from benchmarks.machine.timing_lock import TimingLock
from benchmarks.planning import plan as plans
from benchmarks.planning.plan import RunOptions
from benchmarks.records.record import DIVERGED, KILLED, OK
from benchmarks.records.store import RecordStore
from tests.conftest import ROOT
from tests.runs import record_of


def sweep(specs, store, data_dir, force, **options):
    return sweeps.sweep(specs, store, LocalExecutor(RunOptions(data_dir, **options)), force)


def test_runs_have_processes_of_their_own_and_leave_records(make_spec, tmp_path, capsys):
    store, spec = RecordStore(tmp_path), make_spec()
    (record,) = sweep([spec], store, tmp_path, force=False)
    assert record.status == OK
    assert store.find(spec) == record
    assert "lenet (seed 0): test accuracy" in capsys.readouterr().out

    (cached,) = sweep([spec], store, tmp_path, force=False)
    assert cached == record
    assert "cached" in capsys.readouterr().out

    (again,) = sweep([spec], store, tmp_path, force=True)
    assert again.scores == record.scores
    assert "cached" not in capsys.readouterr().out


def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(make_spec, tmp_path):
    diverges = make_spec(optimizer="sgd", learning_rate=1e30, clip_norm="null", schedule="constant")
    store, spec = RecordStore(tmp_path), make_spec()
    first, second = sweep([diverges, spec], store, tmp_path, force=False)
    assert (first.status, second.status) == (DIVERGED, OK)
    assert "the loss became" in first.error
    (again,) = sweep([diverges], store, tmp_path, force=False)
    assert again.status == DIVERGED


def test_several_runs_at_once_share_the_machine(make_spec, tmp_path, capsys):
    specs = [make_spec(seed=seed) for seed in range(3)]
    records = sweep(specs, RecordStore(tmp_path), tmp_path, force=False, jobs=2)
    assert {record.setup.seed for record in records} == {0, 1, 2}
    threads = max(1, torch.get_num_threads() // 2)
    for record in records:
        assert (record.status, record.resources.jobs) == (OK, 2)
        assert record.environment.device.endswith(f", {threads} threads")
    lines = capsys.readouterr().out.splitlines()
    # The second begins before the first has ended.
    assert [line.endswith("...") for line in lines[:2]] == [True, True]
    assert sum(": test accuracy" in line for line in lines) == 3


def test_a_sweep_waits_while_another_times_its_runs(make_spec, tmp_path, capsys):
    other = TimingLock("other")
    assert other.acquire() is None
    timer = threading.Timer(1.0, other.release)
    timer.start()
    (record,) = sweep([make_spec()], RecordStore(tmp_path), tmp_path, force=False)
    assert record.status == OK
    waiting, started, *_ = capsys.readouterr().out.splitlines()
    assert waiting.startswith("[1/1] lenet (seed 0): ")
    assert waiting.endswith(f"(process {os.getpid()}), waiting")
    assert started == "[1/1] lenet (seed 0) ..."
    assert other.acquire() is None  # the sweep has left it
    other.release()


def test_runs_that_are_not_timed_wait_for_nobody(tmp_path):
    other = TimingLock("other")
    assert other.acquire() is None
    try:
        assert LocalExecutor(RunOptions(tmp_path)).occupied().group == "other"
        assert LocalExecutor(RunOptions(tmp_path, timing=False)).occupied() is None
    finally:
        other.release()


def kill_self(*args):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_run_leaves_a_record(make_spec, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.execution.local._run", kill_self)
    store, spec = RecordStore(tmp_path), make_spec()
    (record,) = sweep([spec], store, tmp_path, force=False)
    assert record.status == KILLED
    assert record.error == "its process was killed by SIGKILL; perhaps the memory ran out"


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM], ids=str
)
def test_interrupted(make_spec, tmp_path, number):
    """The finished run is kept and said, the running one ends, and nothing is left behind."""
    store = RecordStore(tmp_path)
    finished = make_spec()
    store.write(
        finished,
        record_of(finished, test_accuracy=0.5, loss=1.0, examples_per_sec=1.0, fit_seconds=1.0),
    )
    fields = finished.protocol
    command = [
        *(sys.executable, "-m", "benchmarks", "run", "--dataset", "cifar10"),
        *("--models", "lenet,resnet18", "--results", str(tmp_path), "--protocol", "quick"),
        f"--protocol.image_size={fields.image_size}",
        "--protocol.epochs=100000",
        "--protocol.train_examples=null",
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if "[1/2]" in line:
            break
    time.sleep(1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert f"0 of 2 runs are finished and kept in {tmp_path}; the same command goes on" in errors


@pytest.fixture
def carried_out(tmp_path, monkeypatch):
    """Sweeps with an executor that records what is asked of it, and needs no process."""

    years = count(2001)

    class Executor:
        jobs, timing = 1, True
        options = RunOptions(tmp_path, jobs=1, threads=2)

        def __init__(self):
            self.asked = []

        def start(self, spec, checkpoint, previous=None):
            self.asked.append("timing" if previous else "training")
            inputs = spec.timing_inputs(self.options)
            values = {"test_accuracy": 0.5, "examples_per_sec": 1.0, "fit_seconds": 1.0}
            values["finished_at"] = str(next(years))
            self.ended = [(spec, record_of(spec, **values))]
            self.ended[0] = (spec, _timed(self.ended[0][1], inputs))

        def wait(self, seconds):
            ended, self.ended = self.ended, []
            return ended

        def occupied(self):
            return None

        def stages(self):
            return {}

        def kill(self):
            pass

    def _timed(record, inputs):
        return replace(record, speed=replace(record.speed, inputs=inputs))

    def run(spec, jobs=1, **options):
        executor = Executor()
        executor.options = replace(executor.options, jobs=jobs)
        sweeps.sweep([spec], RecordStore(tmp_path), executor, **options)
        return executor.asked

    return run


def test_only_what_has_changed_is_done_again_and_the_reason_is_given(
    make_spec, carried_out, monkeypatch, capsys
):
    def done_and_said(spec, **options):
        asked = carried_out(spec, **options)
        return asked, capsys.readouterr().out.splitlines()[0]

    assert done_and_said(make_spec()) == (["training"], "[1/1] lenet (seed 0) ...")
    assert done_and_said(make_spec())[0] == []

    asked, line = done_and_said(make_spec(learning_rate=0.003))
    assert asked == ["training"]
    assert line == "[1/1] lenet (seed 0), again: learning_rate 0.002 -> 0.003 ..."

    hashed = plans.package_digest
    changed = {plans.TIMING_CODE: "other"}
    monkeypatch.setattr(plans, "package_digest", lambda name: changed.get(name, hashed(name)))
    asked, line = done_and_said(make_spec(learning_rate=0.003))
    assert asked == ["timing"]
    assert line == "[1/1] lenet (seed 0), timed again: code of benchmarks.measurement changed ..."
    assert done_and_said(make_spec(learning_rate=0.003))[0] == []

    changed["benchmarks.training"] = "other"
    asked, line = done_and_said(make_spec(learning_rate=0.003))
    assert asked == ["training"]
    assert line == "[1/1] lenet (seed 0), again: code of benchmarks.training changed ..."

    asked, line = done_and_said(make_spec(learning_rate=0.003), force=True)
    assert asked == ["training"]
    assert "again: forced" in line


def test_a_speed_measured_elsewhere_is_measured_here(make_spec, carried_out, monkeypatch, capsys):
    """On another GPU, or beside another number of runs; the accuracy stands."""

    def done_and_said(**options):
        asked = carried_out(make_spec(), **options)
        return asked, capsys.readouterr().out.splitlines()[0].partition(", ")[2]

    monkeypatch.setattr("benchmarks.machine.environment.hardware", lambda device: "GPU A")
    assert done_and_said(jobs=2)[0] == ["training"]
    assert done_and_said(jobs=1) == (["timing"], "timed again: jobs 2 -> 1 ...")
    assert done_and_said(jobs=1)[0] == []
    monkeypatch.setattr("benchmarks.machine.environment.hardware", lambda device: "GPU B")
    assert done_and_said() == (["timing"], "timed again: machine GPU A -> GPU B ...")
    assert done_and_said()[0] == []
    assert done_and_said(jobs=2) == (["timing"], "timed again: jobs 1 -> 2 ...")
    monkeypatch.setenv("OMP_PROC_BIND", "close")
    asked, said = done_and_said(jobs=2)
    assert asked == ["timing"]
    assert said.startswith("timed again: variables ")
    assert done_and_said(jobs=2)[0] == []


def test_a_run_that_was_only_trained_is_timed_by_a_later_sweep(make_spec, tmp_path, capsys):
    store, spec = RecordStore(tmp_path), make_spec()
    (trained,) = sweep([spec], store, tmp_path, force=False, timing=False)
    assert trained.speed.examples_per_sec > 0
    assert trained.resources.total_seconds > trained.resources.fit_seconds
    for name in ("relative_speed", "step_examples_per_sec", "loop_efficiency", "bound_by"):
        assert getattr(trained.speed, name) is None
    capsys.readouterr()

    (cached,) = sweep([spec], store, tmp_path, force=False, timing=False)
    assert cached == trained
    assert "cached" in capsys.readouterr().out

    (timed,) = sweep([spec], store, tmp_path, force=False)
    assert "lenet (seed 0), timed again: it was only trained ..." in capsys.readouterr().out
    assert timed.speed.timed_again
    assert timed.speed.loop_efficiency > 0
    assert (timed.scores, timed.cost) == (trained.scores, trained.cost)


def test_speeds_are_timed_again_without_a_training(make_spec, tmp_path):
    """Scores, history and weights stand; speeds and their inputs are new."""
    spec = make_spec()
    options = RunOptions(tmp_path, threads=torch.get_num_threads())
    record = run.train(spec, options)
    again = run.train(spec, replace(options, jobs=2), previous=record)
    for part in ("setup", "scores", "cost", "history"):
        assert getattr(again, part) == getattr(record, part)
    assert (record.resources.jobs, again.resources.jobs) == (1, 2)
    assert replace(again.resources, jobs=1) == record.resources
    assert record.speed.timed_again is None
    assert again.speed.timed_again
    assert again.speed.inputs["jobs"] == 2
    assert again.speed.examples_per_sec == again.speed.samples["loop"]["median"]
