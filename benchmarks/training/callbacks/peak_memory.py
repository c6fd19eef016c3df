"""How much memory a training takes, and whether an error means that there was not enough."""

import ctypes
import gc
import platform
import re
from pathlib import Path

import psutil
import torch

from benchmarks.machine.accelerator import is_accelerator


class PeakMemory:
    """The largest memory of a training in MiB, over what was taken when this was made.

    Of an accelerator it is what its allocator handed out; on the CPU, resident memory of the
    process, of which on systems other than Linux the largest since its start is known.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = self._now()

    def reset(self) -> None:
        """Forget the largest so far."""
        if is_accelerator(self._device):
            torch.accelerator.reset_peak_memory_stats(self._device)
        elif _CLEAR_REFS.exists():
            _CLEAR_REFS.write_text("5")  # proc(5): resets the peak resident set size

    def mb(self) -> float:
        if is_accelerator(self._device):
            peak = torch.accelerator.max_memory_allocated(self._device)
        elif _STATUS.exists():
            peak = 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())[1])
        else:
            usage = psutil.Process().memory_info()
            peak = getattr(usage, "peak_wset", usage.rss)
        return (peak - self._before) / 2**20

    def _now(self) -> int:
        if is_accelerator(self._device):
            return torch.accelerator.memory_allocated(self._device)
        return psutil.Process().memory_info().rss


_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator, of a device, of PyTorch's tensors or of Python, refused memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # PyTorch has no error of its own for the memory of the CPU.
    refusals = ("can't allocate memory", "not enough memory: you tried to allocate")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in refusals)


def free(device: torch.device) -> None:
    """Hand back what nothing refers to any more."""
    gc.collect()
    if is_accelerator(device):
        torch.accelerator.empty_cache()
    elif platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
