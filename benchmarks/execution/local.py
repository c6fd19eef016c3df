"""Runs on this machine, each in a fresh process."""

import os
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from benchmarks.execution import processes
from benchmarks.execution.executor import Outcome
from benchmarks.machine import environment, process_settings, shell
from benchmarks.machine.timing_lock import Holder, TimingLock
from benchmarks.planning.placement import DDP
from benchmarks.planning.plan import RunOptions, RunSpec
from benchmarks.records.record import DIVERGED, FAILED, KILLED, TIMEOUT, RunRecord
from benchmarks.training.out_of_memory import is_out_of_memory
from benchmarks.training.stage import Stage
from datamodules import DataError
from lit_models import ModelError
from lit_models.mistakes import explain


class LocalExecutor:
    """Runs as processes of this machine, by default one at a time.

    Several runs at a time share the threads, and are spread over GPUs of one kind. The machine is
    reserved until `wait` finds no run in progress.
    """

    def __init__(self, options: RunOptions) -> None:
        self.jobs, self.timing = options.jobs or 1, options.timing
        self.options = replace(
            options,
            jobs=self.jobs,
            threads=options.threads or max(1, process_settings.threads() // self.jobs),
        )
        self._lock = TimingLock(options.lock_group)
        self._workers: list[_Worker] = []
        self.stopping = False

    def occupied(self) -> Holder | None:
        return self._lock.acquire() if self.timing else None

    def start(self, spec: RunSpec, checkpoint: Path, previous: RunRecord | None = None) -> None:
        context = processes.context()
        receiver, sender = context.Pipe(duplex=False)
        gpus = self._free_gpus(spec)
        options = replace(self.options, gpus=",".join(map(shell.gpu, gpus)))
        arguments = (spec, options, checkpoint, time.time(), previous)
        process = context.Process(target=_run, args=(sender, *arguments))
        process.start()
        sender.close()
        deadline = time.monotonic() + (self.options.timeout or float("inf"))
        self._workers.append(_Worker(spec, process, receiver, deadline, gpus))

    def _free_gpus(self, spec: RunSpec) -> list[int]:
        """The GPUs with the fewest runs, as many as a run has devices; none: it takes the first."""
        if spec.device != "cuda" or self.jobs == 1:
            return []
        runs = Counter(gpu for worker in self._workers for gpu in worker.gpus)
        gpus = sorted(environment.equal_gpus(), key=lambda gpu: runs[gpu])
        count = spec.placement.devices
        return gpus[:count] if count <= len(gpus) else []

    def wait(self, seconds: float) -> list[Outcome]:
        if self.stopping:
            for worker in self._workers:
                worker.process.terminate()
        if not self._workers:
            self._lock.release()  # whoever waits for runs of others must not keep them waiting
        now = time.monotonic()
        until = min([now + seconds, *(worker.deadline for worker in self._workers)])
        receivers = [worker.receiver for worker in self._workers]
        connection.wait(receivers, timeout=max(0.0, until - now))
        now = time.monotonic()
        outcomes = []
        for worker in list(self._workers):
            has_ended = worker.receive()
            if has_ended or worker.deadline <= now:
                outcomes.append((worker.spec, self._end(worker, has_ended)))
        return outcomes

    def stages(self) -> dict[str, Stage]:
        return {w.spec.key: w.stage for w in self._workers if w.stage is not None}

    def stop(self) -> None:
        self.stopping = True

    def kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
        self._workers.clear()
        self._lock.release()

    def _end(self, worker: "_Worker", in_time: bool) -> RunRecord | None:
        self._workers.remove(worker)
        record = worker.record
        if in_time:
            worker.process.join(processes.SECONDS_TO_EXIT)
        worker.process.kill()
        worker.process.join()
        worker.receiver.close()
        if not in_time:
            reason = f"took longer than {self.options.timeout:g} seconds"
            return RunRecord.of(worker.spec, status=TIMEOUT, error=reason)
        if record is None and not self.stopping:
            status = worker.process.exitcode
            kind = KILLED if processes.was_killed(status) else FAILED
            reason = f"its process {processes.cause_of_death(status)}"
            return RunRecord.of(worker.spec, status=kind, error=reason)
        return record


@dataclass(eq=False)
class _Worker:
    spec: RunSpec
    process: BaseProcess
    receiver: connection.Connection
    deadline: float
    gpus: list[int]
    stage: Stage | None = None  # the last it reported
    record: RunRecord | None = None

    def receive(self) -> bool:
        """Take what the process has sent; tells whether that was the last."""
        with suppress(EOFError, OSError):  # the process ended before it sent a record
            while self.receiver.poll():
                message = self.receiver.recv()
                if not isinstance(message, Stage):
                    self.record = message
                    return True
                self.stage = message
            return False
        return True


def _run(sender: connection.Connection, spec: RunSpec, options: RunOptions, *args: Any) -> None:
    """Train in this process, and send the record."""
    processes.begin()
    if options.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = options.gpus
    from benchmarks.execution.launcher import RankKilledError, launch
    from benchmarks.run import train
    from benchmarks.training.callbacks.divergence import DivergedError
    from benchmarks.training.callbacks.stop_signal import StoppedError

    torch.set_num_threads(options.threads)
    reporting = partial(train, report=sender.send)
    carry_out = partial(launch, reporting) if spec.placement.strategy == DDP else reporting
    try:
        record = carry_out(spec, options, *args)
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
        record = RunRecord.of(spec, status=FAILED, error=_in_one_line(error))
    sender.send(record)


def _in_one_line(error: Exception) -> str:
    place = None if is_out_of_memory(error) else explain(error)
    return f"{type(error).__name__}: {place}" if place else last_line(error)


def last_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()
