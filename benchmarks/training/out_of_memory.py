"""Tells errors that mean too little memory from others, and frees memory."""

import ctypes
import gc
import platform

import torch

from benchmarks.machine.accelerator import is_accelerator


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator, of a device, of PyTorch's tensors or of Python, refused memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # PyTorch has no error class for host memory.
    refusals = ("can't allocate memory", "not enough memory: you tried to allocate")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in refusals)


def free(device: torch.device) -> None:
    """Return unreferenced memory to the system."""
    gc.collect()
    if is_accelerator(device):
        torch.accelerator.empty_cache()
    elif platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
