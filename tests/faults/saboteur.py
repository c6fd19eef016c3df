"""Faults that strike a process from within, at a chosen point of its work."""

import importlib
import os
import signal
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """Strikes when something is called for the `nth` time.

    Args:
        place: `module:function` or `module:Class.method`.
        nth: which call.
        after: once the call has returned, rather than before.
        action: `kill`; `hang`; `tear` (write half of a file, then kill); `exhaust` (the memory);
            `break` (raise); `terminate` (SIGTERM).
        seed: of the run it strikes.
        always: at every later call too.
        rank: the one of several it strikes; None: each.
    """

    place: str
    nth: int = 1
    after: bool = False
    action: str = "kill"
    seed: int = 0
    always: bool = False
    rank: int | None = None

    def __str__(self) -> str:
        when = "after" if self.after else "at"
        whom = "" if self.rank is None else f"rank {self.rank} "
        return f"{self.action} {whom}{when} {self.place.rpartition('.')[2]} #{self.nth}"

    def arm(self) -> None:
        module, _, path = self.place.partition(":")
        owner = importlib.import_module(module)
        *parents, name = path.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        original, calls = getattr(owner, name), count(1)

        def faulty(*args, **kwargs):
            call = next(calls)
            is_due = call == self.nth or (self.always and call > self.nth)
            strikes = is_due and self._is_meant()
            if strikes and not self.after:
                self._strike(*args)
            result = original(*args, **kwargs)
            if strikes and self.after:
                self._strike(*args)
            return result

        setattr(owner, name, faulty)

    def _is_meant(self) -> bool:
        from benchmarks.training import ddp

        return self.rank is None or ddp.rank() == self.rank

    def _strike(self, *args) -> None:
        if self.action == "hang":
            time.sleep(3600)
        elif self.action == "exhaust":
            import torch

            torch.empty(2**50)
        elif self.action == "break":
            raise RuntimeError("a fault | of <this> net")
        elif self.action == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            if self.action == "tear":
                path, content = args
                scratch = Path(path).with_name(f"{Path(path).name}.{os.getpid()}.part")
                scratch.parent.mkdir(parents=True, exist_ok=True)
                content = content.encode() if isinstance(content, str) else bytes(content)
                scratch.write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)


def run(fault: Fault | None, sender, spec, *args) -> None:
    """`benchmarks.execution.local._run`, struck by a fault; what is timed is kept short."""
    from benchmarks.execution import local
    from benchmarks.measurement import calibration, loop_timings

    importlib.import_module("tests.faults.tiny")
    loop_timings.ROUNDS, calibration.SECONDS = 1, 0.0
    if fault is not None and spec.seed == fault.seed:
        fault.arm()
    local._run(sender, spec, *args)
