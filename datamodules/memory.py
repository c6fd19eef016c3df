"""Where examples lie while a net trains on them, decided by their size and that of the memories."""

from math import inf
from pathlib import Path

import psutil
import torch

from datamodules import control_groups

# In the memory of the training device; in that of its host; on disk, read batch by batch
DEVICE, HOST, DISK = "device", "host", "disk"
SHARE = 0.25  # of a memory, that examples may take: the net needs the rest


def placement(size: int, device: torch.device, processes: int = 1) -> str:
    """Where examples lie: `DEVICE` or else `HOST` if they take at most `SHARE` of its memory.

    Free memory does not count, so that the answer is the same whatever else runs.

    Args:
        size: bytes of the examples.
        processes: how many of the host's processes hold examples of their own.
    """
    host = host_memory() / processes
    if size <= SHARE * (_accelerator_memory(device) or host):
        return DEVICE
    return HOST if size <= SHARE * host and device.type != "cpu" else DISK


def host_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or less in a control group.

    Version 2 has the limit of a group in `memory.max`, version 1 in `memory.limit_in_bytes`
    (kernel.org, cgroup-v2 and cgroup-v1/memory).
    """
    limits = map(_limit, control_groups.folders("memory"))
    return int(min([psutil.virtual_memory().total, *limits]))


def _limit(group: Path) -> float:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            text = (group / name).read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdecimal() else inf
    return inf


def _accelerator_memory(device: torch.device) -> int | None:
    """Bytes of an accelerator's own memory; None for a device that shares that of the host."""
    if device.type in ("cpu", "mps", "meta"):
        return None
    _, total = torch.accelerator.get_memory_info(device)
    return total
