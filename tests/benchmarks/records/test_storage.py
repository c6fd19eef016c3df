"""Results and checkpoints at a URL, here in memory; every other test has them in a folder."""

import errno
import os
import random
import sys
import uuid
from pathlib import Path

import pytest
from filelock import Timeout

from benchmarks import cli
from benchmarks.records import storage
from benchmarks.records.record import RunRecord
from benchmarks.records.store import RecordStore
from benchmarks.training.checkpoint_file import CheckpointFile
from lit_models.classifier import LitClassifier
from tests.benchmarks.conftest import InThisProcess
from tests.runs import numbers, train

RUN = (
    *("run", "--models", "lenet", "--dataset", "cifar10", "--protocol", "quick", "--device", "cpu"),
    *("--protocol.image_size", "32", "--protocol.epochs", "1", "--protocol.train_examples", "null"),
)


@pytest.fixture
def url():
    """A folder of its own in the memory of this process."""
    return storage.open_folder(f"memory://{uuid.uuid4().hex}/results")


def test_a_name_is_a_folder_or_a_url(capsys):
    assert storage.open_folder("some/results") == Path("some/results")
    assert storage.open_folder("file:///some/results") == Path("/some/results")
    assert str(storage.open_folder("memory://some/results")) == "memory://some/results"
    assert "memory://some/results is gone when this command ends" in capsys.readouterr().err


def test_a_tilde_is_the_home_folder(monkeypatch, capsys):
    monkeypatch.setenv("HOME", "/home/me")
    assert storage.open_folder("~/results") == Path("/home/me/results")
    assert cli.main(["report", "--results", "~no-such-user/results"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no home folder for ~no-such-user/results" in line


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_and_used(monkeypatch, tmp_path, capsys, code):
    def fail(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", fail)
    with storage.lock(tmp_path, "one"), storage.lock(tmp_path, "two"):
        held = storage.lock(tmp_path, "three")
        held.acquire(blocking=False)
        held.release()
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert f"{tmp_path} is on a file system without locks" in warnings[0]


def test_any_other_error_of_a_lock_is_an_error(monkeypatch, tmp_path):
    def fail(descriptor, operation):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("fcntl.flock", fail)
    with pytest.raises(OSError, match="Input/output"):
        storage.lock(tmp_path, "one")


@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere://some/results", "nowhere"), ("s3://some/results", "s3fs")]
)
def test_a_url_that_no_library_serves_is_refused(capsys, monkeypatch, name, reason):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert cli.main(["report", "--results", name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{name} cannot be opened" in line
    assert reason in line


@pytest.mark.usefixtures("small_data")
def test_a_sweep_leaves_everything_at_the_url(url, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.execution.local.LocalExecutor", InThisProcess)
    monkeypatch.chdir(tmp_path)
    command = [*RUN, "--results", str(url), "--data-dir", str(tmp_path / "data")]
    assert cli.main(command) == 0
    (folder,) = (url / "cifar10").iterdir()
    table = (folder / "table.md").read_text()
    printed = capsys.readouterr()
    assert f"written to {folder}: report.html, table.md, results.csv, plots" in printed.out
    assert printed.err.count("is gone when this command ends") == 1
    left = {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()}
    derived = {"curves.csv", "plots", "report.html", "results.csv", "table.md"}
    assert left == {*derived, "layers", "predictions", "runs"}
    assert (folder / "plots" / "accuracy.png").read_bytes().startswith(b"\x89PNG")

    assert cli.main(command) == 0
    assert "lenet (seed 0): cached" in capsys.readouterr().out
    (folder / "table.md").unlink()
    assert cli.main(["report", "--results", str(url)]) == 0
    assert (folder / "table.md").read_text() == table
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_training_goes_on_from_a_checkpoint_at_a_url(make_spec, url, tmp_path, monkeypatch):
    plain = numbers(train(make_spec(), tmp_path))
    checkpoint = RecordStore(url).checkpoint(make_spec())
    step, left = LitClassifier.training_step, iter(range(7))

    def break_off(*arguments):
        if next(left, None) is None:
            raise InterruptedError
        return step(*arguments)

    monkeypatch.setattr(LitClassifier, "training_step", break_off)
    with pytest.raises(InterruptedError):
        train(make_spec(), tmp_path, checkpoint=checkpoint, checkpoint_seconds=0.0)
    monkeypatch.setattr(LitClassifier, "training_step", step)
    record = train(make_spec(), tmp_path, checkpoint=checkpoint)
    assert record.resumed == 1
    assert numbers(record) == {**plain, "resumed": 1}


def test_what_is_damaged_at_a_url_is_set_aside(make_spec, url, capsys):
    spec, store = make_spec(), RecordStore(url)
    store.write(spec, RunRecord.of(spec))
    assert store.finished(spec)
    path = store.path(spec)
    damage = path.read_bytes()[: random.Random(0).randrange(100)]
    storage.write_atomic(path, damage)
    assert store.find(spec) is None
    assert path.with_name(f"{path.name}.damaged").read_bytes() == damage
    assert not path.exists()
    storage.write_atomic(store.checkpoint(spec), b"no checkpoint, but long enough to have a hash")
    assert CheckpointFile(store.checkpoint(spec)).find() is None
    assert capsys.readouterr().err.count("is damaged") == 2


def test_what_cannot_be_put_is_an_error_of_the_system(url, monkeypatch, capsys):
    """Libraries raise errors of their own, which must not end a sweep."""

    def fail(*arguments):
        raise RuntimeError("the network\nis down")

    monkeypatch.setattr(type(url.fs), "pipe_file", fail)
    with pytest.raises(OSError, match="the network") as raised:
        storage.write_atomic(url / "file", "content")
    assert storage.reason(raised.value) == "the network is down"
    assert cli.main([*RUN, "--results", str(url)]) == 2
    _, line = capsys.readouterr().err.splitlines()
    assert "cannot be written: the network is down" in line


def test_locks_of_a_url_bind_this_machine(url):
    with storage.lock(url, "run"):
        for other in (url / "other", url.parent):
            storage.lock(other, "run").acquire(blocking=False)
        with pytest.raises(Timeout):
            storage.lock(url, "run").acquire(blocking=False)
