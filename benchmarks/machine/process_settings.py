"""Settings that are chosen once, the same for every run of every net, and recorded."""

import atexit
import ctypes
import gc
import logging
import os
import platform
import warnings

import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h


def set_up() -> None:
    """Set what can be set. It belongs before the first computation of a process."""
    if platform.libc_ver()[0] == "glibc":
        # By default the memory of activations goes back to the system and is asked for again, in
        # some processes at every step and in others never: thousands of page faults, or none.
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_MMAP_MAX, 0)
    # What the libraries have made so far is there to stay: not to be searched for garbage before
    # the end, when some (nanobind) report whatever of theirs is then not freed.
    gc.freeze()
    atexit.register(gc.unfreeze)
    # Numbers too small to be normal take CPUs a hundred times as long, and mean nothing here.
    torch.set_flush_denormal(True)
    # 32-true is what it says; whoever wants tensor cores has bf16-mixed.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    # Handing the backward pass to a thread of its own takes small nets a tenth of a step on a GPU.
    torch.autograd.set_multithreading_enabled(False)


def quieten() -> None:
    """Leave out what Lightning says of its own defaults; nothing here depends on them."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


def settings() -> dict[str, str | int | bool]:
    """What `set_up` and the system have set, as PyTorch has it."""
    subnormal = torch.tensor(torch.finfo(torch.float32).tiny) / 2
    affinity = getattr(os, "sched_getaffinity", lambda pid: ())(0)
    return {
        "threads": torch.get_num_threads(),
        "affinity": " ".join(map(str, sorted(affinity))),
        "flushes_denormals": bool(subnormal == 0),
        "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
        "cudnn_autotune": torch.backends.cudnn.benchmark,
    }
