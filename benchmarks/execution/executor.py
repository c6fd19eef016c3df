"""Who carries out a plan: this machine (`local`), or a cluster (`ray`).

An executor takes runs while it has fewer than `jobs`, and hands back what each left behind; it
writes nothing but checkpoints. Records, locks and the progress are the sweep's.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import RunRecord

Outcome = tuple[RunSpec, RunRecord | None]


class Executor(Protocol):
    """What the sweep asks of whoever carries out its runs.

    `jobs`: runs at a time. `shows_steps`: a run draws a bar of its own.
    """

    jobs: int
    shows_steps: bool

    def start(self, spec: RunSpec, checkpoint: Path) -> None:
        """Begin a run, from its checkpoint if there is one."""

    def wait(self, seconds: float) -> Iterable[Outcome]:
        """The runs that ended, waiting so long for the first; None: stopped, no record."""

    def stop(self) -> None:
        """Ask every run to close its step, to save and to leave."""

    def kill(self) -> None:
        """End every run at once."""
