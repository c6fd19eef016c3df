"""A plan carried out in sight of the user: a bar on a terminal, plain lines in a log."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from filelock import FileLock, Timeout
from tqdm import tqdm

from benchmarks.execution.executor import Executor
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import FAILED, OK, RecordStore, RunRecord
from benchmarks.records.storage import reason

# Terminal codes: Lightning leaves the bars of a run behind, which the next line would overlap.
SAVE_CURSOR, ERASE_SINCE = "\r\x1b7", "\x1b8\x1b[J"

TICK = 0.5  # seconds between two looks at signals and at the locks of others


class Interrupted(KeyboardInterrupt):
    """The sweep was told to stop and did so in order: every run in progress is saved."""


@dataclass(eq=False)
class _Run:
    """A run that is due. `before`: the record it had when the sweep began."""

    number: int
    spec: RunSpec
    lock: FileLock
    before: RunRecord | None


def sweep(
    specs: list[RunSpec], store: RecordStore, executor: Executor, force: bool = False
) -> list[RunRecord]:
    """Run what has not finished yet, and say what becomes of each run.

    A run that another sweep has in hand is waited for, and taken over should that sweep die.

    Args:
        specs: the plan.
        store: keeps the records.
        executor: carries out the runs.
        force: run again, from the start, what has finished.

    Returns:
        The records in the order in which the runs ended, without those never begun.

    Raises:
        Interrupted: after the first signal, with a sentence that says what is kept.
        KeyboardInterrupt: after the second, likewise.
    """
    records, due = [], []
    for spec in specs:
        record = None if force else store.finished(spec)
        if record is not None:
            print(f"{spec.title}: cached, {_outcome(record)}")
            store.tidy(spec, record)
            records.append(record)
        else:
            before = store.find(spec)
            due.append(_Run(len(due) + 1, spec, store.lock(spec), before))
    try:
        with _Progress(len(due), executor.shows_steps) as progress, _signals(executor) as signals:
            records.extend(_carry_out(due, store, executor, force, progress, signals))
    except KeyboardInterrupt as interrupt:
        done = sum(record.status == OK for record in records)
        kept = f"{done} of {len(specs)} runs are finished and kept in {store.root}"
        raise type(interrupt)(f"{kept}; the same command goes on") from None
    return records


def _carry_out(
    due: list[_Run],
    store: RecordStore,
    executor: Executor,
    force: bool,
    progress: "_Progress",
    signals: list[int],
) -> Iterator[RunRecord]:
    waiting, running = list(due), {}
    told = False
    try:
        while waiting or running:
            if signals and not told:
                told = True
                waiting.clear()
                progress.say("stopping: steps are closed and saved; once more leaves at once")
            for run in list(waiting):
                if len(running) == executor.jobs:
                    break
                if not _acquire(run.lock):
                    continue
                waiting.remove(run)
                record = store.find(run.spec)
                if record is not None and record != run.before:
                    run.lock.release()
                    progress.ended(run, f"finished by another sweep, {_outcome(record)}")
                    yield record
                    continue
                if force:
                    store.checkpoint(run.spec).unlink(missing_ok=True)
                executor.start(run.spec, store.checkpoint(run.spec))
                running[run.spec.title] = run
                progress.started(run)
            if waiting and not running:
                progress.waits(waiting[0])
            for spec, record in executor.wait(TICK):
                run = running.pop(spec.title)
                if record is not None:
                    record = _keep(store, spec, record)
                    progress.ended(run, _outcome(record))
                    yield record
                run.lock.release()
    finally:
        executor.kill()
    if told:
        raise Interrupted


def _acquire(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _keep(store: RecordStore, spec: RunSpec, record: RunRecord) -> RunRecord:
    try:
        store.write(spec, record)
    except OSError as error:
        problem = f"its record cannot be written: {reason(error)}"
        return RunRecord.of(spec, status=FAILED, error=problem)
    return record


@contextmanager
def _signals(executor: Executor) -> Iterator[list[int]]:
    """The signals to stop that came; the second is a KeyboardInterrupt at once.

    The first may reach the runs too, which then end before the next look: the executor must know.
    """
    came: list[int] = []

    def on_signal(number: int, frame: object) -> None:
        came.append(number)
        executor.stop()
        if len(came) > 1:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield came
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


class _Progress:
    """Says what becomes of the runs; on a terminal above a bar, under which Lightning's moves."""

    def __init__(self, total: int, shows_steps: bool) -> None:
        self._total = total
        self._on_terminal = sys.stdout.isatty()
        self._has_inner_bar = self._on_terminal and shows_steps
        self._is_inner_bar_shown = False
        # Lightning shows the steps of the running process on the next line, position 2.
        self._bar = tqdm(
            total=total, unit="run", position=1, disable=not self._on_terminal, file=sys.stdout
        )
        self._awaited: set[int] = set()

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def started(self, run: _Run) -> None:
        self._bar.set_description(run.spec.title)
        if not self._on_terminal:
            print(f"{self._start(run)} ...", flush=True)
        self._begin_inner_bar()

    def ended(self, run: _Run, outcome: str) -> None:
        self._erase_inner_bar()
        self._bar.write(f"{self._start(run)}: {outcome}", file=sys.stdout)
        self._bar.update()

    def waits(self, run: _Run) -> None:
        if run.number not in self._awaited:
            self._awaited.add(run.number)
            self.say(f"{self._start(run)}: another sweep runs it, waiting")

    def say(self, line: str) -> None:
        was_shown = self._is_inner_bar_shown
        self._erase_inner_bar()
        self._bar.write(line, file=sys.stdout)
        if was_shown:
            self._begin_inner_bar()

    def _begin_inner_bar(self) -> None:
        if self._has_inner_bar:
            print(SAVE_CURSOR, end="", flush=True)
            self._is_inner_bar_shown = True

    def _erase_inner_bar(self) -> None:
        if self._is_inner_bar_shown:
            print(ERASE_SINCE, end="", flush=True)
            self._is_inner_bar_shown = False

    def _start(self, run: _Run) -> str:
        return f"[{run.number}/{self._total}] {run.spec.title}"


def _outcome(record: RunRecord) -> str:
    if record.status != OK:
        return f"{record.status}: {record.error}"
    split = "test" if record.validation_accuracy is None else "validation"
    scores = f"{split} accuracy {getattr(record, f'{split}_accuracy'):.3f}"
    if (mean_iou := getattr(record, f"{split}_mean_iou")) is not None:
        scores += f", mean IoU {mean_iou:.3f}"
    speed = f"{record.examples_per_sec:,.0f} examples/sec, {record.fit_seconds:.0f} s"
    resumed = ", resumed" if record.resumed else ""
    return f"{scores}, {speed}{resumed}"
