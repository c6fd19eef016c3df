"""Where examples lie while a net trains on them, decided by their size and that of the memories."""

from math import inf
from pathlib import Path

import psutil
import torch

# In the memory of the training device; in that of its host; on disk, read batch by batch
DEVICE, HOST, DISK = "device", "host", "disk"
SHARE = 0.25  # of a memory, that examples may take: the net needs the rest

_OWN_GROUPS, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


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

    The limits of all ancestors of a group hold. Version 2 has them in `memory.max`, version 1 in
    `memory.limit_in_bytes` (kernel.org, cgroup-v2 and cgroup-v1/memory).
    """
    limits: list[float] = [psutil.virtual_memory().total]
    try:
        lines = _OWN_GROUPS.read_text(errors="replace").splitlines()
    except OSError:
        lines = []  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        hierarchy = _GROUPS / "memory" if controllers else _GROUPS
        group = hierarchy / path.lstrip("/")
        # A container may see its own group as the root of the hierarchy.
        ancestors = (each for each in (group, *group.parents) if each.is_relative_to(hierarchy))
        limits += map(_limit, ancestors)
    return int(min(limits))


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
