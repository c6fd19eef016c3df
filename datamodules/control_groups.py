"""The control groups of this process, which limit the CPUs and the memory of a container."""

from collections.abc import Iterator
from pathlib import Path

_OWN_GROUPS, _ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def folders(controller: str) -> Iterator[Path]:
    """The folders of all groups whose limits hold for this process: its own and their ancestors.

    Args:
        controller: `cpu` or `memory`. Version 2 has one hierarchy, version 1 one a controller
            (kernel.org, cgroup-v2 and cgroup-v1).
    """
    try:
        lines = _OWN_GROUPS.read_text(errors="replace").splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        hierarchy = _ROOT / controller if controllers else _ROOT
        group = hierarchy / path.lstrip("/")
        # A container may see its own group as the root of the hierarchy.
        yield from (each for each in (group, *group.parents) if each.is_relative_to(hierarchy))
