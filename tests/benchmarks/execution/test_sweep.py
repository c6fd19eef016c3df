import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from benchmarks.execution import sweep as sweeps
from benchmarks.execution.local import LocalExecutor
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


def kill_self(*args):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_run_leaves_a_record(make_spec, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.execution.local._run", kill_self)
    store, spec = RecordStore(tmp_path), make_spec()
    (record,) = sweep([spec], store, tmp_path, force=False)
    assert record.status == KILLED
    assert record.error == "its process was killed by SIGKILL; perhaps the memory ran out"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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
