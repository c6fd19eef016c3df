"""The tests, which mirror the packages.

Each worker of pytest-xdist has a core of its own: PyTorch's threads spin while they wait, so
workers that share their cores are slower than one alone. PyTorch counts the cores as it is
imported, which is after this.
"""

import os

if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
