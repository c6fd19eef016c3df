"""The CPUs that control groups grant to this process.

A container limited to two CPUs still shows all CPUs of its host. A thread for each would spend most
of its time throttled.
"""

from math import inf
from pathlib import Path

_OWN_GROUPS, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def quota() -> float:
    """CPU seconds a second that this process may use; infinity without a limit.

    The limits of all ancestors of a group hold. Version 2 has them in `cpu.max`, version 1 in
    `cpu.cfs_quota_us` and `cpu.cfs_period_us` (kernel.org, cgroup-v2 and sched-bwc).
    """
    try:
        lines = _OWN_GROUPS.read_text(errors="replace").splitlines()
    except OSError:
        return inf  # not Linux
    limits = [inf]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        hierarchy = _GROUPS / "cpu" if controllers else _GROUPS
        group = hierarchy / path.lstrip("/")
        # A container may see its own group as the root of the hierarchy.
        ancestors = (each for each in (group, *group.parents) if each.is_relative_to(hierarchy))
        limits += map(_limit, ancestors)
    return min(limits)


def _limit(group: Path) -> float:
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return inf
    return inf if quota in ("max", "-1") else int(quota) / int(period)
