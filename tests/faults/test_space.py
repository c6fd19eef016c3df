"""Where nothing more can be written: named in one line, the rest reported, and later made good."""

import resource
import subprocess
from contextlib import contextmanager
from functools import partial

import pytest

from benchmarks import cli
from tests.faults.saboteur import Fault


def mount(arguments, folder):
    if subprocess.run(["mount", *arguments.split(), folder], capture_output=True).returncode:
        pytest.skip("only root can mount")


@contextmanager
def mounted(arguments, folder):
    mount(arguments, folder)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def limit_file_size(size):
    return partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.faults
def test_a_record_that_does_not_fit_fails_its_run_and_the_rest_runs(
    command, check, tmp_path, counted
):
    counted(2)
    limit = limit_file_size(1500)  # more than the identity has, and less than a record
    process = command(tmp_path, preexec_fn=limit)
    output, errors = process.communicate(timeout=200)
    assert process.returncode != 0
    assert output.count("failed: its record cannot be written: File too large") == 2
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob("*.part"))
    done = command(tmp_path)
    _, errors = done.communicate(timeout=200)
    assert done.returncode == 0, errors
    check(tmp_path)


@pytest.mark.faults
def test_a_checkpoint_that_does_not_fit_is_said_once_and_the_run_goes_on(
    command, check, tmp_path, counted
):
    counted()
    limit = limit_file_size(8_000)
    process = command(tmp_path, "--checkpoint-seconds=0", preexec_fn=limit)
    _, errors = process.communicate(timeout=200)
    for seed in (0, 1):
        lines = [line for line in errors.splitlines() if f"tiny-seed{seed}" in line]
        assert len(lines) == 1
        assert "File too large; the run goes on" in lines[0]
    assert "Traceback" not in errors
    check(tmp_path)


@pytest.mark.faults
def test_a_full_disk(command, check, tmp_path, counted):
    """A disk that holds the records, but neither the checkpoints nor all that is drawn."""
    counted()
    with mounted("-t tmpfs -o size=64k tmpfs", tmp_path):
        output, errors = command(tmp_path, "--checkpoint-seconds=0").communicate(timeout=200)
        assert "Traceback" not in errors
        assert "No space left on device" in errors + output
        assert "\ntiny " in output
        mount("-o remount,size=64m", tmp_path)
        done = command(tmp_path)
        _, errors = done.communicate(timeout=200)
        assert done.returncode == 0, errors
        check(tmp_path)


@pytest.mark.faults
def test_a_run_for_which_memory_runs_out(command, check, tmp_path, counted):
    counted()
    step = "lit_models.classifier:LitClassifier.training_step"
    fault = Fault(step, 4, action="exhaust", always=True)
    process = command(tmp_path, run_fault=fault)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "memory" in output
    assert "failed" in output
    command(tmp_path).communicate(timeout=200)
    check(tmp_path)


def test_a_folder_that_is_read_only_is_still_reported(run_sweep, specs, tmp_path, counted, capsys):
    counted(2)
    run_sweep(tmp_path, specs=specs[:1])
    with mounted(f"--bind {tmp_path}", tmp_path):
        mount("-o remount,bind,ro", tmp_path)
        capsys.readouterr()
        assert cli.main(["report", "--results", str(tmp_path)]) == 0
        captured = capsys.readouterr()
        assert "\ntiny " in captured.out
        assert "cannot be written: Read-only file system" in captured.err
        assert captured.err.count("\n") == 1
        arguments = ["run", "--models=lenet", "--dataset=cifar10", f"--results={tmp_path}"]
        assert cli.main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
