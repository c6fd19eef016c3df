"""Signals and several sweeps at once: in order, nothing twice, nothing lost."""

import os
import signal
import subprocess
import sys
import time

import pytest

from benchmarks.execution import sweep as sweeps
from benchmarks.records.store import RecordStore
from tests.conftest import ROOT
from tests.faults.saboteur import Fault

STEP = "lit_models.classifier:LitClassifier.training_step"
LONG = "--protocol.epochs=1000000"


def read_until(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} never came: {process.stderr.read()}")


def wait_for_checkpoint(process, results):
    """Until the first run has saved something."""
    while not list(results.rglob("*.ckpt")):
        assert process.poll() is None, process.stderr.read()


def ends(group):
    """Whether all processes of a group are gone within a while; the fork server goes last."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("to_all", [False, True], ids=["to the sweep", "to all processes"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.faults
def test_one_signal_saves_and_leaves(command, tmp_path, counted, number, to_all):
    counted()
    process = command(tmp_path, LONG, "--checkpoint-seconds=0")
    wait_for_checkpoint(process, tmp_path)
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "0 of 2 runs are finished" in errors
    assert "the same command goes on" in errors
    assert len(list(tmp_path.rglob("*.ckpt"))) == 1
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("*.json"))
    assert ends(process.pid)


@pytest.mark.faults
def test_a_second_signal_leaves_at_once(command, tmp_path, counted):
    counted()
    process = command(tmp_path, run_fault=Fault(STEP, 3, action="hang"))
    read_until(process, "[1/2]")
    process.send_signal(signal.SIGTERM)
    read_until(process, "stopping")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert ends(process.pid)


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_make_passes_a_signal_on_and_goes_on(specs, image_folder, tmp_path, counted, number):
    """SIGINT as a terminal sends it, to all; SIGTERM as `kill` does, to make alone."""
    counted()
    protocol = tmp_path / "small.yaml"
    protocol.write_text("image_size: 32\nepochs: 100000\nbatch_size: 16\nlearning_rate: 0.1\n")
    variables = ["MODELS=lenet", "DATASET=cifar10", f"PROTOCOL={protocol}", f"RESULTS={tmp_path}"]
    process = subprocess.Popen(
        ["make", "bench", *variables, f"PYTHON={sys.executable}", f"DATA_DIR={tmp_path}"],
        cwd=ROOT,
        env={**os.environ, "CIFAR10_IMAGES": str(image_folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for_checkpoint(process, tmp_path)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    assert ends(process.pid)


@pytest.mark.faults
def test_two_sweeps_at_once_do_nothing_twice(command, check, tmp_path, counted):
    counted()
    both = [command(tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=300) for process in both]
    for process, (_, errors) in zip(both, outputs, strict=True):
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
    begun = "".join(output for output, _ in outputs).count(" ...\n")
    assert begun == 2
    check(tmp_path)


HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(3600)
"""


def test_a_run_whose_holder_dies_is_taken_over(
    run_sweep, specs, check, tmp_path, counted, capsys, monkeypatch
):
    counted()
    path = RecordStore(tmp_path).lock(specs[0]).lock_file
    arguments = [sys.executable, "-c", HOLD, path]
    holder = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    read_until(holder, "held")
    # It dies when the sweep has nothing else left to do.
    waits = sweeps.Progress.waits
    monkeypatch.setattr(sweeps.Progress, "waits", lambda *a: (waits(*a), holder.kill()))
    second, first = run_sweep(tmp_path)
    holder.communicate()
    assert (first.setup.seed, second.setup.seed) == (0, 1)
    assert "another sweep runs it, waiting" in capsys.readouterr().out
    check(tmp_path)


def test_what_another_sweep_did_meanwhile_is_not_done_again(
    run_sweep, specs, check, tmp_path, counted, capsys, monkeypatch
):
    counted()
    lock = RecordStore(tmp_path).lock(specs[0])
    lock.acquire()

    def other_finishes(*args):
        monkeypatch.undo()
        lock.release()
        run_sweep(tmp_path, specs=specs[:1])

    monkeypatch.setattr(sweeps.Progress, "waits", other_finishes)
    run_sweep(tmp_path)
    output = capsys.readouterr().out
    assert "tiny (seed 0): finished by another sweep" in output
    assert output.count("tiny (seed 0) ...") == 1
    check(tmp_path)
