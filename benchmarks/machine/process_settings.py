"""Settings of a process, the same for every run of every net, and recorded."""

import atexit
import ctypes
import gc
import logging
import os
import platform
import warnings

import torch

from benchmarks.machine import cpus, shell

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h


def set_up() -> None:
    """Apply the settings. Call it before the first computation of a process."""
    shell.clear_variables()
    torch.set_num_threads(threads())
    if platform.libc_ver()[0] == "glibc":
        # By default glibc returns the memory of activations to the system, in some processes at
        # every step and in others never: thousands of page faults a step, or none.
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_MMAP_MAX, 0)
    # Exempt objects created by imports from garbage collection. Undo it at exit, or nanobind
    # reports leaks.
    gc.freeze()
    atexit.register(gc.unfreeze)
    # CPUs compute denormals a hundred times slower, and such small values have no effect here.
    torch.set_flush_denormal(True)
    # 32-true means fp32, not TF32; bf16-mixed uses the tensor cores.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    # On a GPU, a backward pass in a thread of its own costs small nets a tenth of a step.
    torch.autograd.set_multithreading_enabled(False)


def threads() -> int:
    """PyTorch's threads, at most those that the CPU quota of a container has time for.

    OMP_NUM_THREADS and MKL_NUM_THREADS overrule the quota.
    """
    chosen = torch.get_num_threads()
    if os.environ.get("OMP_NUM_THREADS") or os.environ.get("MKL_NUM_THREADS"):
        return chosen
    return max(1, int(min(chosen, cpus.quota())))


def quieten() -> None:
    """Suppress Lightning's hints about its defaults, on which nothing here depends."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


def settings() -> dict[str, str | int | bool]:
    """The settings in force, as PyTorch and the system report them."""
    subnormal = torch.tensor(torch.finfo(torch.float32).tiny) / 2
    affinity = getattr(os, "sched_getaffinity", lambda pid: ())(0)
    return {
        "threads": torch.get_num_threads(),
        "affinity": " ".join(map(str, sorted(affinity))),
        "flushes_denormals": bool(subnormal == 0),
        "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
        "cudnn_autotune": torch.backends.cudnn.benchmark,
    }
