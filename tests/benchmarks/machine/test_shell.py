"""What a shell hands over does not change a run, and does not end one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.errors import UsageError
from benchmarks.machine import shell
from tests.conftest import ROOT

CHANGING = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "CUDA_LAUNCH_BLOCKING": "1",
    "MKL_CBWR": "COMPATIBLE",
    "NVIDIA_TF32_OVERRIDE": "1",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "PYTORCH_TUNABLEOP_ENABLED": "1",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
    "TORCH_COMPILE_DISABLE": "1",
}
OF_LAUNCHERS = {
    "LOCAL_RANK": "1",
    "LSB_JOBID": "1",
    "PBS_NODEFILE": "nodes",
    "PL_GLOBAL_SEED": "7",
    "PL_TRAINER_FAST_DEV_RUN": "1",
    "RANK": "3",
    "SLURM_NTASKS": "4",
    "TORCHELASTIC_RUN_ID": "1",
    "TPU_WORKER_ID": "1",
    "WORLD_SIZE": "4",
}
KEPT = {
    "CUDA_VISIBLE_DEVICES": "0",
    "HOME": "/home/me",
    "MASTER_ADDR": "10.0.0.1",
    "MKL_NUM_THREADS": "2",
    "NCCL_SOCKET_IFNAME": "eth0",
    "NODE_RANK": "0",
    "OMP_NUM_THREADS": "2",
    "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    "RANKING": "mine",
    "TORCH_HOME": "/cache",
    "TORCH_LOGS": "graph_breaks",
}


def test_variables_that_would_change_a_run_are_removed_and_those_of_libraries_named(monkeypatch):
    environment = CHANGING | OF_LAUNCHERS | KEPT
    monkeypatch.setattr(os, "environ", dict(environment))
    assert shell.clear_variables() == sorted(CHANGING)
    assert os.environ == KEPT
    assert shell.clear_variables() == []


def test_variables_that_tune_a_machine_are_recorded(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OMP_PROC_BIND", "LD_PRELOAD", "PYTORCH_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    before = shell.tuning()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # recorded as the number of threads
    assert shell.tuning() == before
    monkeypatch.setenv("OMP_PROC_BIND", "close")
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    for part in ("OMP_PROC_BIND=close", "PYTORCH_ALLOC_CONF=expandable_segments:True"):
        assert part in shell.tuning().split()


PRINTS = """
import sys
from benchmarks.machine import shell
shell.open_streams()
print("\\u2020", 1, flush=True)
for _ in range(10_000):
    print("one line")
print("the end", file=sys.stderr)
"""


def prints(stdout, **variables):
    """Print ten thousand lines to a stream; returns what came to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", PRINTS],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_characters_that_an_encoding_lacks_are_replaced(tmp_path, variables):
    with (tmp_path / "out").open("wb") as file:
        assert prints(file, **variables) == "the end\n"
    assert (tmp_path / "out").read_bytes().startswith(b"? 1\n")


def test_a_process_goes_on_when_nobody_reads_its_output():
    reader, writer = os.pipe()
    os.close(reader)
    assert prints(writer) == "the end\n"
    os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_process_goes_on_when_its_output_is_on_a_full_disk():
    with open("/dev/full", "wb") as full:
        assert prints(full) == "the end\n"


def test_a_process_goes_on_without_a_stdout():
    command = f"exec '{sys.executable}' -c '{PRINTS}' >&-"
    done = subprocess.run(command, shell=True, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "the end\n")


def test_streams_that_are_not_the_shells_are_left_alone(capsys):
    before = sys.stdout
    shell.open_streams()
    assert sys.stdout is before


def test_sockets_lie_where_their_addresses_are_short(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    assert shell.socket_folder() == "/tmp"
    monkeypatch.setattr("tempfile.tempdir", "/tmp/" + 100 * "x")
    assert len(shell.socket_folder()) < 30
    monkeypatch.setattr(shell, "_SHORT_FOLDERS", ())
    with pytest.raises(UsageError, match="too long for sockets; set a shorter one"):
        shell.socket_folder()


def test_no_folder_for_temporary_files_is_one_line(monkeypatch):
    def fail():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", fail)
    with pytest.raises(UsageError, match="cannot be written: No usable temporary directory"):
        shell.socket_folder()
