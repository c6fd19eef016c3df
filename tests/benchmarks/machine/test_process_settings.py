import subprocess
import sys

import pytest
import torch

from benchmarks.machine import environment, process_settings
from tests.conftest import ROOT

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _settings_of_other_tests():
    yield
    process_settings.set_up()


def test_what_is_recorded_is_what_torch_is_set_to():
    process_settings.set_up()
    found = environment.describe(CPU)
    assert found["threads"] == torch.get_num_threads()
    assert (found["tf32"], found["cudnn_autotune"]) == (False, True)
    assert found["flushes_denormals"] is True
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.autograd.is_multithreading_enabled()
    for unset in (
        lambda: setattr(torch.backends.cudnn, "allow_tf32", True),
        lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    ):
        unset()
        assert environment.describe(CPU)["tf32"] is True
        process_settings.set_up()
        assert environment.describe(CPU)["tf32"] is False
    torch.backends.cudnn.benchmark = False
    torch.set_flush_denormal(False)
    found = environment.describe(CPU)
    assert (found["cudnn_autotune"], found["flushes_denormals"]) == (False, False)


@pytest.mark.parametrize("cores", [{0}, {3, 1, 2}])
def test_affinity_is_that_of_the_process(monkeypatch, cores):
    monkeypatch.setattr(process_settings.os, "sched_getaffinity", lambda pid: cores, raising=False)
    assert process_settings.settings()["affinity"] == " ".join(map(str, sorted(cores)))


def test_where_there_is_no_affinity_there_is_none_to_record(monkeypatch):
    monkeypatch.delattr(process_settings.os, "sched_getaffinity", raising=False)
    assert process_settings.settings()["affinity"] == ""


FLUSHES = """
import torch
from benchmarks.machine import process_settings
process_settings.set_up()
torch.set_num_threads(2)
tiny = torch.full((2**20,), torch.finfo(torch.float32).tiny)
assert not (tiny / 2).any()
weight = torch.ones(2**20, requires_grad=True)
(weight * tiny).sum().mul(0.5).backward()
assert not weight.grad.any()
"""


def test_denormals_are_flushed_on_every_thread():
    subprocess.run([sys.executable, "-c", FLUSHES], cwd=ROOT, check=True)


FREED = """
import os
from benchmarks.machine import process_settings

class Library:
    def __init__(self):
        self.itself = self

    def __del__(self, write=os.write):
        write(1, b"freed")

library = Library()
process_settings.set_up()
"""


def test_what_is_frozen_is_freed_at_the_end():
    ended = subprocess.run([sys.executable, "-c", FREED], cwd=ROOT, check=True, capture_output=True)
    assert ended.stdout == b"freed"
