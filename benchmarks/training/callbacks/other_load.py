"""How much of the CPU other processes used while a run was timed."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import lightning as L
import psutil

from benchmarks.training import ddp

LEAST_SECONDS = 1.0  # the system counts CPU time in hundredths of a second

_Seconds = tuple[float, float, float]  # of CPU: of a rank, of all processes, available

_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")  # steal: other virtual machines


@dataclass(frozen=True)
class _Times:
    """Seconds of the clock, and CPU seconds: of this process, and of all on its cores."""

    clock: float
    own: float
    busy: float
    cores: int

    @classmethod
    def now(cls) -> "_Times":
        cores = psutil.cpu_times(percpu=True)
        if hasattr(os, "sched_getaffinity"):
            usable = os.sched_getaffinity(0)
            cores = [times for number, times in enumerate(cores) if number in usable]
        busy = sum(getattr(times, kind, 0.0) for times in cores for kind in _BUSY)
        return cls(time.monotonic(), sum(os.times()[:4]), busy, len(cores))


class OtherLoad(L.Callback):
    """Sums the CPU time that other processes used on the cores of a run during its fit.

    Earlier processes of a resumed fit are included, and whatever is put within `counted`. Of
    several nodes, the one with the most counts.
    """

    def __init__(self) -> None:
        self._others = self._available = 0.0
        self._since: _Times | None = None

    @property
    def fraction(self) -> float | None:
        """Of the CPU time of these cores; None: too short to tell, or the system does not tell."""
        if self._available < LEAST_SECONDS:
            return None
        return self._others / self._available

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            self._since = _Times.now()

    def on_fit_end(self, *_: object) -> None:
        self._count()
        self._since = None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Time within counts too. Entered by all ranks."""
        self._since = _Times.now()
        yield
        self._count()
        self._since = None

    def state_dict(self) -> dict[str, float]:
        self._count()
        return {"others": self._others, "available": self._available}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self._others, self._available = state_dict["others"], state_dict["available"]

    def _count(self) -> None:
        """Add what has passed since the last time. A collective."""
        if self._since is None:
            return
        before, self._since = self._since, _Times.now()
        after = self._since
        mine = (
            after.own - before.own,
            after.busy - before.busy,
            (after.clock - before.clock) * after.cores,
        )
        of_node: dict[str, list[_Seconds]] = {}
        for node, seconds in ddp.gather((platform.node(), mine)):
            of_node.setdefault(node, []).append(seconds)
        others, available = max(map(_others, of_node.values()))
        self._others += others
        self._available += available


def _others(ranks: list[_Seconds]) -> tuple[float, float]:
    """CPU seconds of processes other than the ranks of a node, and those there are."""
    owns, busies, availables = zip(*ranks, strict=True)
    own, busy, available = sum(owns), max(busies), max(availables)
    if busy < own / 2:  # a container whose system does not tell
        return 0.0, 0.0
    return max(0.0, busy - own), available
