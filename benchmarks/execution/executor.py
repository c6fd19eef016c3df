"""The interface between the sweep and whoever carries out its runs: `local` or `ray`.

An executor writes nothing but checkpoints. Records, locks and progress are the sweep's.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from benchmarks.machine.timing_lock import Holder
from benchmarks.planning.plan import RunOptions, RunSpec
from benchmarks.planning.sweep_config import SweepConfig
from benchmarks.records.record import RunRecord
from benchmarks.training.stage import Stage

Outcome = tuple[RunSpec, RunRecord | None]


class Executor(Protocol):
    """Carries out runs, at most `jobs` at a time.

    `options` are those of every run; None: they depend on the node. `timing` tells whether they
    are timed.
    """

    jobs: int
    timing: bool

    @property
    def options(self) -> RunOptions | None: ...

    def occupied(self) -> Holder | None:
        """Reserve this machine for timed runs; who has done so, if others have."""

    def start(self, spec: RunSpec, checkpoint: Path, previous: RunRecord | None = None) -> None:
        """Begin a run, from its checkpoint if that exists; see `benchmarks.run.train`."""

    def wait(self, seconds: float) -> Iterable[Outcome]:
        """The runs that have ended, at the latest after so many seconds; None: no record."""

    def stages(self) -> dict[str, Stage]:
        """What runs in progress have last reported, by key."""

    def stop(self) -> None:
        """Ask every run to finish its step, save and end."""

    def kill(self) -> None:
        """End every run at once."""


def make_executor(config: SweepConfig) -> Executor:
    """The executor that a resolved sweep asks for."""
    options = RunOptions(
        config.data_dir,
        jobs=config.jobs or 0,
        timeout=config.timeout,
        checkpoint_seconds=config.checkpoint_seconds,
        keep_weights=config.keep_weights,
        timing=not config.no_timing,
    )
    if config.executor == "local":
        from benchmarks.execution.local import LocalExecutor

        return LocalExecutor(options)
    from benchmarks.execution.ray import RayExecutor

    executor = RayExecutor(options, config.placement.device)
    print(executor)
    return executor
