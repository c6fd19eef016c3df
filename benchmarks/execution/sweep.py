"""Carries out a plan: each run once, cached, locked and recorded."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from filelock import BaseFileLock, Timeout

from benchmarks.execution.estimates import Estimates
from benchmarks.execution.executor import Executor
from benchmarks.execution.processes import handling
from benchmarks.execution.progress import Progress, outcome
from benchmarks.planning.fingerprint import difference
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import FAILED, OK, RunRecord
from benchmarks.records.storage import reason
from benchmarks.records.store import RecordStore, identity

if TYPE_CHECKING:
    from benchmarks.execution.run_logs import RunLogs

TICK = 0.5  # seconds between two checks of signals and of the locks of others


class Interrupted(KeyboardInterrupt):
    """A signal stopped the sweep in order: every run in progress is saved."""


@dataclass(frozen=True)
class _Run:
    """A run to be carried out."""

    spec: RunSpec
    lock: BaseFileLock
    before: RunRecord | None  # when the sweep began
    trained: RunRecord | None  # a training whose speeds alone are out of date
    last: RunRecord | None  # the newest of the same model and seed, whatever its key
    why: str  # says why the run is not cached


def sweep(
    specs: list[RunSpec],
    store: RecordStore,
    executor: Executor,
    force: bool = False,
    logs: "RunLogs | None" = None,
    *,
    expected: Mapping[str, float] | None = None,
) -> list[RunRecord]:
    """Carry out the runs that have not finished yet, and report the outcome of each.

    A run that another sweep has in hand is awaited, and taken over if that sweep dies.

    Args:
        force: run again, from the start, what has finished.
        logs: are told of every run, cached ones too.
        expected: seconds of a run of these models, for those without an earlier record.

    Returns:
        The records in the order in which the runs ended, without those that never began.

    Raises:
        Interrupted: after the first signal; the message says what is kept.
        KeyboardInterrupt: after the second, likewise.
    """
    cached: list[tuple[RunSpec, RunRecord]] = []
    due: list[_Run] = []
    for spec in specs:
        trained = None if force else store.finished(spec)
        changed = _changed_timing(trained, spec, executor) if trained else ""
        if trained and not changed:
            print(f"{spec.title}: cached, {outcome(trained)}")
            cached.append((spec, trained))
        else:
            last = trained or store.latest(spec)
            why = f"timed again: {changed}" if trained else _why(spec, last, force)
            due.append(_Run(spec, store.lock(spec), store.find(spec), trained, last, why))
    store.tidy(*cached)
    records = [record for _, record in cached]
    if logs:
        for run in cached:
            logs.ended(*run)
    try:
        estimates = _estimates(due, store, executor, expected or {})
        progress = Progress([run.spec for run in due], estimates, executor.jobs)
        with progress, _signals(executor) as signals:
            ended = _carry_out(due, store, executor, progress, signals, force=force, logs=logs)
            records.extend(ended)
    except KeyboardInterrupt as interrupt:
        done = sum(record.status == OK for record in records)
        kept = f"{done} of {len(specs)} runs are finished and kept in {store.root}"
        raise type(interrupt)(f"{kept}; the same command goes on") from None
    return records


def _estimates(
    due: list[_Run], store: RecordStore, executor: Executor, expected: Mapping[str, float]
) -> Estimates:
    """What the runs will take, by the last records of the same models that are like them."""
    earlier, given = {}, {}
    for run in due:
        last = run.last
        if last is None or last.status != OK or last.made_in != identity(store.root):
            continue
        resources = last.resources
        if resources.total_seconds is None or _is_timed(last) != executor.timing:
            continue
        if run.trained:
            given[run.spec.key] = resources.total_seconds - (resources.fit_seconds or 0.0)
        else:
            earlier[run.spec.model] = resources.total_seconds
    return Estimates({**expected, **earlier}, given)


def _is_timed(record: RunRecord) -> bool:
    return bool(record.speed.inputs)


def _changed_timing(trained: RunRecord, spec: RunSpec, executor: Executor) -> str:
    """What differs from the record in the inputs of its speeds, if they can be timed again."""
    if spec.placement.num_nodes > 1:
        return ""  # all nodes would have to hold the record
    if not executor.timing:
        return ""
    if not _is_timed(trained):
        return "it was only trained"
    now = spec.timing_inputs(executor.options)
    return difference({name: trained.speed.inputs.get(name) for name in now}, now)


def _why(spec: RunSpec, last: RunRecord | None, force: bool) -> str:
    """Why a run is done again; empty for one that was never done."""
    if last is None:
        return ""
    if force:
        return "again: forced"
    if last.setup.key != spec.key:
        known = last.setup.inputs
        changed = difference(known, spec.training_inputs) if known else ""
        return f"again: {changed or 'an older version made the last record'}"
    if last.status != OK:
        return f"again: {last.status} before"
    return "again: the last record is of another results folder"


def _carry_out(
    due: list[_Run],
    store: RecordStore,
    executor: Executor,
    progress: Progress,
    signals: list[int],
    *,
    force: bool,
    logs: "RunLogs | None",
) -> Iterator[RunRecord]:
    waiting: list[_Run] = list(due)
    running: dict[str, _Run] = {}
    told = False
    try:
        while waiting or running:
            if signals and not told:
                told = True
                waiting.clear()
                progress.say("stopping after this step, which is saved; once more leaves at once")
            holder = None
            for run in list(waiting):
                if len(running) == executor.jobs or (holder := executor.occupied()):
                    break
                if not _acquire(run.lock):
                    continue
                waiting.remove(run)
                record = store.find(run.spec)
                if record is not None and record != run.before:
                    run.lock.release()
                    progress.ended(run.spec, record, "finished by another sweep, ")
                    yield record
                    continue
                if force:
                    store.checkpoint(run.spec).unlink(missing_ok=True)
                executor.start(run.spec, store.checkpoint(run.spec), run.trained)
                running[run.spec.key] = run
                progress.started(run.spec, run.why)
            if waiting and not running:
                progress.waits(waiting[0].spec, str(holder or "another sweep runs it"))
            for spec, record in executor.wait(TICK):
                run = running.pop(spec.key)
                if record is not None:
                    record = _keep(store, run, record)
                    progress.ended(run.spec, record)
                    yield record
                run.lock.release()
                if logs and record is not None:
                    logs.ended(spec, record)
            stages = executor.stages()
            progress.update(stages)
            if logs:
                logs.update(stages)
    finally:
        executor.kill()
    if told:
        raise Interrupted


def _acquire(lock: BaseFileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _keep(store: RecordStore, run: _Run, record: RunRecord) -> RunRecord:
    """Write a record; a training that stands outlives a failure to time it again."""
    if run.trained and record.status != OK:
        return record
    try:
        return store.write(run.spec, record)
    except OSError as error:
        problem = f"its record cannot be written: {reason(error)}"
        return RunRecord.of(run.spec, status=FAILED, error=problem)


@contextmanager
def _signals(executor: Executor) -> Iterator[list[int]]:
    """The signals to stop that have arrived; the second raises KeyboardInterrupt at once.

    A terminal signals the runs too, which may then end before the sweep looks at them, so the
    executor is told within the handler.
    """
    came: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        came.append(number)
        executor.stop()
        if len(came) > 1:
            raise KeyboardInterrupt

    with handling(on_signal, signal.SIGINT, signal.SIGTERM):
        yield came
