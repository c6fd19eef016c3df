"""Workers of Ray that are lost: their runs go on elsewhere, or are given up in order."""

import dataclasses
import os
import signal

import pytest

from benchmarks.execution.sweep import sweep
from benchmarks.planning.plan import RunOptions
from benchmarks.records.record import FAILED, KILLED, OK
from benchmarks.records.store import RecordStore
from tests.faults.conftest import numbers
from tests.faults.test_stops import LONG, ends, wait_for_checkpoint

pytest.importorskip("ray", reason="Ray is not installed")

NETS = "tests.faults.tiny"


@pytest.fixture
def ray_sweep(image_folder, tmp_path, monkeypatch):
    """Carries out runs on a cluster of this machine, one at a time."""
    from benchmarks.execution.ray import RayExecutor

    monkeypatch.setenv("CIFAR10_IMAGES", str(image_folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def run(specs, results):
        executor = RayExecutor(RunOptions(tmp_path, checkpoint_seconds=0.0), "cpu")
        return sweep(specs, RecordStore(results), executor)

    return run


@pytest.mark.faults
def test_a_lost_worker_is_replaced_and_its_run_goes_on_to_the_bit(
    ray_sweep, run_sweep, specs, tmp_path, counted, capfd, monkeypatch
):
    monkeypatch.setenv("FATAL", str(tmp_path / "killed"))
    counted()
    fatal, broken = (
        dataclasses.replace(specs[0], model=f"{NETS}:{net}") for net in ("fatal", "broken")
    )
    failed, record = sorted(
        ray_sweep([fatal, broken], tmp_path / "ray"), key=lambda r: r.setup.model
    )
    errors = capfd.readouterr().err
    assert (tmp_path / "killed").exists()
    assert "fatal (seed 0) resumes elsewhere: The worker died" in errors
    assert (record.status, record.resources.resumed) == (OK, 1)
    assert not list(tmp_path.rglob("*.part"))

    # A run that fails takes nothing with it, and says why.
    assert failed.status == FAILED
    assert failed.error.startswith("RuntimeError: Broken.forward: a fault | of <this> net, at ")
    assert "in forward" in errors

    (reference,) = run_sweep(tmp_path / "local", specs=[fatal], threads=1)
    assert numbers(record) == numbers(reference)


@pytest.mark.faults
def test_a_run_that_loses_every_worker_is_given_up(ray_sweep, specs, tmp_path, counted):
    counted(4)
    spec = dataclasses.replace(specs[0], model=f"{NETS}:fatal")
    (record,) = ray_sweep([spec], tmp_path)
    assert record.status == KILLED
    assert record.error.startswith("its Ray worker was lost 4 times: The worker died")
    assert RecordStore(tmp_path).checkpoint(spec).exists()


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to_all", [False, True], ids=["to the sweep", "to all processes"])
def test_one_signal_saves_and_leaves(command, tmp_path, counted, number, to_all):
    counted()
    arguments = [f"--models={NETS}:tiny", "--executor=ray", "--checkpoint-seconds=0", LONG]
    process = command(tmp_path, *arguments)
    wait_for_checkpoint(process, tmp_path)
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "0 of 2 runs are finished" in errors
    assert len(list(tmp_path.rglob("*.ckpt"))) == 1
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("*.json"))
    assert ends(process.pid)
