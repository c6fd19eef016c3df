"""The CPUs that control groups grant to this process.

A container limited to two CPUs still shows all CPUs of its host. A thread for each would spend most
of its time throttled.
"""

from math import inf
from pathlib import Path

from datamodules import control_groups


def quota() -> float:
    """CPU seconds a second that this process may use; infinity without a limit.

    Version 2 has the limit of a group in `cpu.max`, version 1 in `cpu.cfs_quota_us` and
    `cpu.cfs_period_us` (kernel.org, cgroup-v2 and sched-bwc).
    """
    return min(map(_limit, control_groups.folders("cpu")), default=inf)


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
