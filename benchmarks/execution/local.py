"""Runs on this machine, each in a fresh process of its own."""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import connection, forkserver
from pathlib import Path

import torch

from benchmarks.execution import processes
from benchmarks.execution.executor import Outcome
from benchmarks.planning.plan import DDP, RunSpec
from benchmarks.records.record import DIVERGED, FAILED, KILLED, TIMEOUT, RunRecord
from benchmarks.training.callbacks.checkpoints import SECONDS, StoppedError
from benchmarks.training.callbacks.divergence import DivergedError
from benchmarks.training.callbacks.peak_memory import is_out_of_memory
from datamodules import DataError
from lit_models import ModelError


@dataclass(frozen=True)
class RunOptions:
    """What every run of a sweep is given that does not change its numbers.

    Args:
        data_dir: the data folder.
        jobs: runs at a time.
        threads: of each run.
        checkpoint_seconds: time between two checkpoints within an epoch.
        progress_bar: show the steps of a run, under the bar of the sweep.
    """

    data_dir: Path
    jobs: int
    threads: int
    checkpoint_seconds: float = SECONDS
    progress_bar: bool = False


class LocalExecutor:
    """Runs as processes of this machine, `jobs` at a time, the threads divided among them.

    Args:
        data_dir: the data folder.
        jobs: runs at a time.
        timeout: seconds a run may take before it is killed; None: as long as it likes.
        checkpoint_seconds: time between two checkpoints within an epoch.
        progress_bar: show the steps of a run, if there is but one at a time.
        threads: of each run; None: those PyTorch takes, divided among the jobs.
    """

    def __init__(
        self,
        data_dir: Path,
        jobs: int = 1,
        timeout: float | None = None,
        checkpoint_seconds: float = SECONDS,
        progress_bar: bool = False,
        threads: int | None = None,
    ) -> None:
        self.jobs, self.timeout = jobs, timeout
        self.shows_steps = progress_bar and jobs == 1
        threads = threads or max(1, torch.get_num_threads() // jobs)
        self._options = RunOptions(data_dir, jobs, threads, checkpoint_seconds, self.shows_steps)
        self._workers: list[_Worker] = []
        self._stopping = False

    def start(self, spec: RunSpec, checkpoint: Path) -> None:
        context = _context()
        receiver, sender = context.Pipe(duplex=False)
        arguments = (spec, checkpoint, self._options, sender, time.time())
        process = context.Process(target=_run, args=arguments)
        process.start()
        sender.close()
        deadline = time.monotonic() + self.timeout if self.timeout else float("inf")
        self._workers.append(_Worker(spec, process, receiver, deadline))

    def wait(self, seconds: float) -> list[Outcome]:
        if self._stopping:
            for worker in self._workers:
                worker.process.terminate()
        now = time.monotonic()
        until = min([now + seconds, *(worker.deadline for worker in self._workers)])
        receivers = [worker.receiver for worker in self._workers]
        ready = connection.wait(receivers, timeout=max(0.0, until - now))
        now = time.monotonic()
        ended = [w for w in self._workers if w.receiver in ready or w.deadline <= now]
        return [(worker.spec, self._end(worker, worker.receiver in ready)) for worker in ended]

    def stop(self) -> None:
        self._stopping = True

    def kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
        self._workers.clear()

    def _end(self, worker: "_Worker", in_time: bool) -> RunRecord | None:
        self._workers.remove(worker)
        record = None
        if in_time:
            try:
                record = worker.receiver.recv()
            except (EOFError, OSError):
                record = None  # it died before it had sent one
            worker.process.join(processes.SECONDS_TO_EXIT)
        worker.process.kill()
        worker.process.join()
        worker.receiver.close()
        if record is None and not in_time:
            reason = f"took longer than {self.timeout:g} seconds"
            record = RunRecord.of(worker.spec, status=TIMEOUT, error=reason)
        elif record is None and not self._stopping:
            status = worker.process.exitcode
            record = RunRecord.of(
                worker.spec,
                status=KILLED if processes.was_killed(status) else FAILED,
                error=f"its process {processes.cause_of_death(status)}",
            )
        return record


@dataclass(frozen=True, eq=False)
class _Worker:
    spec: RunSpec
    process: multiprocessing.Process
    receiver: connection.Connection
    deadline: float


@cache
def _context() -> multiprocessing.context.BaseContext:
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    # Imports are paid for once: each run is forked from a server that has them all.
    context.set_forkserver_preload(["benchmarks.run"])
    if context.get_start_method() == "forkserver":
        # A signal may reach every process of the terminal; the parent answers for all.
        numbers = (signal.SIGINT, signal.SIGTERM)
        handlers = [signal.signal(number, signal.SIG_IGN) for number in numbers]
        forkserver.ensure_running()
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
    return context


def _run(
    spec: RunSpec,
    checkpoint: Path,
    options: RunOptions,
    sender: connection.Connection,
    decided_at: float,
) -> None:
    """What a process of a run does: train, and send the record."""
    processes.begin()
    from benchmarks.execution.launcher import RankKilledError, launch
    from benchmarks.run import train

    torch.set_num_threads(options.threads)
    carry_out = partial(launch, train) if spec.strategy == DDP else train
    try:
        record = carry_out(
            spec,
            options.data_dir,
            options.progress_bar,
            checkpoint,
            options.checkpoint_seconds,
            options.jobs,
            decided_at,
        )
    except StoppedError:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    except DivergedError as error:
        record = RunRecord.of(spec, status=DIVERGED, error=str(error))
    except RankKilledError as error:
        record = RunRecord.of(spec, status=KILLED, error=str(error))
    except Exception as error:
        if not isinstance(error, DataError | ModelError) and not is_out_of_memory(error):
            traceback.print_exc(file=sys.stderr)
        record = RunRecord.of(spec, status=FAILED, error=last_line(error))
    sender.send(record)


def last_line(error: Exception) -> str:
    return traceback.format_exception_only(error)[-1].strip()
