import resource
import tracemalloc

import pytest
import torch

from benchmarks.training.checkpoint_file import CheckpointFile

MB = 2**20


@pytest.fixture
def file(tmp_path):
    return CheckpointFile(tmp_path / "run.ckpt")


@pytest.fixture
def little_space():
    """No file may be larger than a megabyte."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MB, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def content(values=1):
    return {"epoch": 3, "weights": torch.arange(values)}


def test_what_was_saved_is_found(file):
    file.save_checkpoint(content(), file.path)
    found = CheckpointFile(file.path).find()
    assert found["epoch"] == 3
    assert torch.equal(found["weights"], content()["weights"])


def test_nothing_is_copied_in_memory(file):
    large = {"weights": torch.zeros(4 * MB)}
    tracemalloc.start()
    file.save_checkpoint(large, file.path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert file.path.stat().st_size > 16 * MB > 8 * peak


def test_without_space_the_earlier_checkpoint_stays(file, little_space, capsys):
    file.save_checkpoint(content(), file.path)
    for _ in range(2):
        file.save_checkpoint(content(MB), file.path)
    (line,) = capsys.readouterr().err.split("\n")[1:-1]
    assert line.endswith("cannot be written: File too large; the run goes on")
    assert list(file.path.parent.iterdir()) == [file.path]
    assert len(file.find()["weights"]) == 1
