"""The progress of a sweep: one line at the bottom of a terminal, plain lines in a log."""

import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tqdm import tqdm

from benchmarks.execution.estimates import Estimates
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import OK, RunRecord
from benchmarks.training.stage import TRAINING, Stage


@dataclass
class _Running:
    """A run in progress, and when it was last known to end."""

    spec: RunSpec
    started_at: float
    stage: Stage | None = None
    ends_at: float | None = None


class Progress:
    """Reports the start and the end of each run in a line, and what happens in between.

    On a terminal the line at the bottom says what each run is doing, and the time left. A log gets
    one more line a run, once the time left is known.

    Args:
        specs: the runs to be carried out.
        estimates: of their seconds; learns from every run.
        jobs: runs at a time.
    """

    def __init__(self, specs: list[RunSpec], estimates: Estimates, jobs: int) -> None:
        self._numbers = {spec.key: number for number, spec in enumerate(specs, 1)}
        self._pending = {spec.key: spec for spec in specs}
        self._running: dict[str, _Running] = {}
        self._estimates, self._jobs = estimates, jobs
        self._on_terminal = sys.stdout.isatty()
        self._bar = tqdm(
            total=len(specs),
            bar_format="{n_fmt} of {total_fmt} done; {desc}",
            nrows=2,
            leave=False,
            disable=not self._on_terminal,
            file=sys.stdout,
        )
        self._said: set[str] = set()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def started(self, spec: RunSpec, why: str) -> None:
        """Report that a run begins, and why it was not cached."""
        del self._pending[spec.key]
        self._running[spec.key] = _Running(spec, time.monotonic())
        line = self._start(spec) + (f", {why}" if why else "")
        if not self._on_terminal:
            print(f"{line} ...", flush=True)
        elif why:
            self.say(line)

    def ended(self, spec: RunSpec, record: RunRecord, note: str = "") -> None:
        """Report the outcome of a run."""
        self._pending.pop(spec.key, None)
        run = self._running.pop(spec.key, None)
        if run is not None and record.status == OK:
            self._estimates.learn(spec, time.monotonic() - run.started_at)
        self.say(f"{self._start(spec)}: {note}{outcome(record)}")
        self._bar.update()

    def update(self, stages: Mapping[str, Stage]) -> None:
        """Show what the runs in progress are doing, by key."""
        now = time.monotonic()
        for key, stage in stages.items():
            run = self._running[key]
            if stage != run.stage:
                run.stage = stage
                if stage.seconds_left is not None:
                    self._foresee(run, now + stage.seconds_left)
        if self._on_terminal:
            parts = [_doing(run, now) for run in self._running.values()]
            # Unlike tqdm, `shutil` has an answer for a terminal that does not tell its size.
            self._bar.ncols = shutil.get_terminal_size().columns - 1
            self._bar.set_description_str("; ".join([*parts, *self._sweep_left(now)]))

    def waits(self, spec: RunSpec, reason: str) -> None:
        """Report once that a run waits for others."""
        self.say_once(f"{self._start(spec)}: {reason}, waiting")

    def say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.say(line)

    def say(self, line: str) -> None:
        self._bar.write(line, file=sys.stdout)
        sys.stdout.flush()

    def _foresee(self, run: _Running, ends_at: float) -> None:
        is_first, run.ends_at = run.ends_at is None, ends_at
        self._estimates.learn(run.spec, ends_at - run.started_at)
        if is_first and not self._on_terminal:
            now = time.monotonic()
            line = f"{self._start(run.spec)}: {_left(run, now)}"
            self.say("; ".join([line, *self._sweep_left(now)]))

    def _sweep_left(self, now: float) -> list[str]:
        """The time left of the sweep in words, if other runs follow and it is known."""
        if not self._pending:
            return []
        left = [run.ends_at and max(0.0, run.ends_at - now) for run in self._running.values()]
        left += [self._estimates.seconds(spec) for spec in self._pending.values()]
        known = [seconds for seconds in left if seconds is not None]
        if len(known) < len(left):
            return []
        return [f"the sweep about {duration(sum(known) / self._jobs)}"]

    def _start(self, spec: RunSpec) -> str:
        return f"[{self._numbers[spec.key]}/{len(self._numbers)}] {spec.title}"


def _doing(run: _Running, now: float) -> str:
    """What a run is doing, in words."""
    stage = run.stage
    if stage is None:
        return f"{run.spec.title}: starting"
    doing = stage.name + (f" {stage.done:.0%}" if stage.name == TRAINING else "")
    return ", ".join([f"{run.spec.title}: {doing}", *filter(None, [_left(run, now)])])


def _left(run: _Running, now: float) -> str:
    if run.ends_at is None or run.ends_at <= now:
        return ""
    return f"about {duration(run.ends_at - now)} left"


def duration(seconds: float) -> str:
    """A time in words, as rough as an estimate is."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.{1 if seconds < 10 * size else 0}f} {unit}"
    return f"{max(1, round(seconds))} s"


def outcome(record: RunRecord) -> str:
    """How a run ended, in a line."""
    if record.status != OK:
        return f"{record.status}: {record.error}"
    scores, speed, resources = record.scores, record.speed, record.resources
    split = "test" if scores.validation_accuracy is None else "validation"
    parts = [f"{split} accuracy {getattr(scores, f'{split}_accuracy'):.3f}"]
    if (mean_iou := getattr(scores, f"{split}_mean_iou")) is not None:
        parts.append(f"mean IoU {mean_iou:.3f}")
    parts += [f"{speed.examples_per_sec:,.0f} examples/sec", f"{resources.fit_seconds:.0f} s"]
    if resources.total_seconds is not None:
        parts[-1] += f" of training, {resources.total_seconds:.0f} s in all"
    return ", ".join(parts + ["resumed"] * bool(resources.resumed))
