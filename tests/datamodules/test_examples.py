import threading
from itertools import islice

import pytest
import torch

from datamodules.dataset import DataError
from datamodules.examples import AHEAD, ahead
from datamodules.rows import FileRows


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_what_a_thread_makes_ahead_comes_in_order():
    assert list(ahead(lambda item: item * item, range(50))) == [item * item for item in range(50)]
    assert list(ahead(str, [])) == []
    assert threads() == []


def test_a_thread_makes_a_few_ahead_and_no_more():
    made = []
    running = ahead(lambda item: made.append(item) or item, iter(range(50)))
    for taken in range(1, 10):
        next(running)
        assert len(made) <= taken + AHEAD
    running.close()
    assert len(made) < 50


def test_what_a_thread_raises_is_raised_where_its_result_is_taken():
    def make(item):
        if item == 5:
            raise DataError("the disk is gone")
        return item

    running = ahead(make, range(50))
    assert list(islice(running, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match="the disk is gone"):
        next(running)
    assert threads() == []


@pytest.mark.parametrize("end", [KeyboardInterrupt, GeneratorExit, ValueError])
def test_a_thread_ends_with_the_loop_that_takes_its_results(end):
    running = ahead(lambda item: item, iter(int, 1))
    next(running)
    assert len(threads()) == 1
    with pytest.raises(end):
        running.throw(end)
    assert threads() == []


def test_a_thread_ends_when_its_generator_is_dropped():
    next(ahead(lambda item: item, iter(int, 1)))
    assert threads() == []


@pytest.mark.parametrize("first", [0, 3])
def test_rows_of_a_file_are_those_of_the_tensor(tmp_path, first):
    images = torch.randint(256, (10, 3, 4, 4), dtype=torch.uint8)
    (tmp_path / "images").write_bytes(images.numpy().tobytes())
    rows = FileRows(tmp_path / "images", (7, 3, 4, 4), first)
    numbers = torch.tensor([6, 0, 3, 3])
    read = torch.empty(4, 3, 4, 4, dtype=torch.uint8)
    rows.read(numbers, read)
    assert torch.equal(read, images[numbers + first])
    assert torch.equal(torch.from_numpy(next(iter(rows))), images[first])


def test_a_file_that_is_cut_meanwhile_is_named(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(bytes(100))
    with pytest.raises(DataError, match="images is truncated; delete it"):
        FileRows(path, (9, 3, 2, 2)).read(torch.tensor([8]), torch.empty(1, 3, 2, 2).byte())
