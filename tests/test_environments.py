"""A sweep in an unkind environment: schedulers, libraries, matplotlib, folders, terminals."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

FIELDS = """
image_size: 32
epochs: 1
batch_size: 16
optimizer: adamw
learning_rate: 0.002
train_examples: 64
"""
VARIABLES = {
    "PL_TRAINER_LIMIT_TRAIN_BATCHES": "1",
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "4",
    "MASTER_ADDR": "10.0.0.1",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "MPLBACKEND": "module://backend_interagg",
    "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONUTF8": "0",
    "COLUMNS": "40",
    "TERM": "dumb",
}
WITHOUT_LOCKS = """
import errno, fcntl, os

def flock(descriptor, operation):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

fcntl.flock = flock
"""


@pytest.fixture
def start(tmp_path, image_folder):
    """Starts a sweep of two nets; it writes to a pipe."""
    protocol = tmp_path / "a 'small' protocol.yaml"
    protocol.write_text(FIELDS)

    def begin(results, **variables):
        command = ["run", "--models=lenet,lenet_relu", "--dataset=cifar10", "--device=cpu"]
        folders = [f"--results={results}", f"--protocol={protocol}"]
        known = {"CIFAR10_IMAGES": str(image_folder), "OMP_NUM_THREADS": "1"}
        known["BENCHMARKS_LOCK"] = str(tmp_path / "timing.lock")
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks", *command, *folders],
            cwd=ROOT,
            env=os.environ | known | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


def numbers(results):
    """What may not depend on the environment, by model."""
    records = map(json.loads, (path.read_text() for path in results.rglob("runs/*.json")))
    parts = ("key", "scores", "history", "status")
    return {
        record["setup"]["model"]: {
            part: record.get(part, record["setup"].get(part)) for part in parts
        }
        for record in records
    }


@pytest.mark.slow
def test_an_environment_neither_changes_nor_ends_a_sweep(start, tmp_path):
    """The second sweep has all of it at once, and loses its reader after the first line."""
    plain = start(tmp_path / "plain")
    output, errors = plain.communicate()
    assert "written to" in output, errors
    home = tmp_path / "it's 30 \N{DEGREE SIGN} at home"
    for folder in (home / ".config" / "matplotlib", home / (100 * "x"), home / "site"):
        folder.mkdir(parents=True)
    settings = "text.usetex: True\nfont.family: nobody has it\nbackend: module://nowhere\n"
    (home / ".config" / "matplotlib" / "matplotlibrc").write_text(settings)
    (home / "site" / "sitecustomize.py").write_text(WITHOUT_LOCKS)
    places = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "TMPDIR": str(home / (100 * "x")),
        "PYTHONPATH": str(home / "site"),
        "PATH": str(home),  # without git
    }
    unkind = start("~/my results", **VARIABLES, **places)
    assert unkind.stdout.readline()
    unkind.stdout.close()
    errors = unkind.stderr.read()
    assert unkind.wait() == 0, errors
    assert "ignored, for they change runs: CUBLAS_WORKSPACE_CONFIG, ONEDNN_DEF" in errors
    assert "is on a file system without locks" in errors
    assert "Traceback" not in errors
    found = numbers(home / "my results")
    assert set(found) == {"lenet", "lenet_relu"}
    assert found == numbers(tmp_path / "plain")
    drawn = {path.stem for path in (home / "my results").rglob("plots/*.png")}
    assert {"accuracy", "speed", "curves"} <= drawn
