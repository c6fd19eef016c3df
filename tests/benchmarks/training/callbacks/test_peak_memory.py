import sys

import torch

from benchmarks.training.callbacks.peak_memory import PeakMemory, memory_in_use
from benchmarks.training.out_of_memory import free

CPU = torch.device("cpu")
MIB = 2**20


def test_peak_memory_counts_since_reset():
    free(CPU)
    peak = PeakMemory(CPU, memory_in_use(CPU))
    peak.reset()
    held = torch.ones(256, MIB // 4)
    del held
    assert peak.mb > 250  # the largest, not what is left
    if sys.platform == "linux":
        free(CPU)
        after = PeakMemory(CPU, memory_in_use(CPU))
        after.reset()
        assert after.mb < 100


def test_memory_taken_before_does_not_count():
    held = torch.ones(256, MIB // 4)
    peak = PeakMemory(CPU, memory_in_use(CPU))
    if sys.platform == "linux":
        peak.reset()
    assert peak.mb < 100
    assert len(held) == 256


def test_the_allocator_of_an_accelerator_reports_the_peak(accelerator):
    peak = PeakMemory(CPU, memory_in_use(CPU))
    peak.reset()
    assert peak.mb == 350 - 100
    free(CPU)
    assert accelerator == [
        "memory_allocated",
        "reset_peak_memory_stats",
        "max_memory_allocated",
        "empty_cache",
    ]
