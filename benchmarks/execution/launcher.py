"""Starts one process per device for a run, called a rank, and ends the ranks together."""

import math
import multiprocessing
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]
from multiprocessing.process import BaseProcess
from typing import Any

import torch
import torch.distributed as dist

from benchmarks.execution import processes
from benchmarks.execution.rendezvous import Rendezvous, connect, node_rank
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import RunRecord
from benchmarks.training.callbacks.stop_signal import StoppedError
from lit_models.mistakes import keep_explanation

# A lost connection is reported before the death of the rank, or the node, that caused it.
_SECONDS_TO_FIND_CAUSE = 1.0

_TICK = 0.5  # seconds between two looks at the other nodes


class RankKilledError(RuntimeError):
    """A signal ended the process of a rank; the message names both."""


def launch(train: Callable[..., RunRecord], spec: RunSpec, *args: object) -> RunRecord:
    """Call `train(spec, *args)` in a process for each device of this node.

    The ranks divide the threads among them. If one fails, all are killed. SIGTERM is passed on to
    all, and they stop at the same step.

    PyTorch's `elastic_launch` is not used. It keeps the text of an error but not its type, reports
    a lost connection instead of the killed rank, and reports no error of another node.

    Returns:
        The record of the first rank of this node.

    Raises:
        RankKilledError: a signal ended the process of a rank.
        Exception: the error of a rank of any node.
    """
    # Forking is safe: no device is in use, and the only other thread waits for the parent.
    forks = sys.platform == "linux"
    context: Any = multiprocessing.get_context("fork" if forks else "spawn")
    devices, num_nodes = spec.placement.devices, spec.placement.num_nodes
    threads = max(1, torch.get_num_threads() // devices)
    first_rank = node_rank(num_nodes) * devices
    rendezvous = Rendezvous(spec) if num_nodes > 1 else None
    ranks: dict[Connection, BaseProcess] = {}
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True
        for process in ranks.values():
            process.terminate()

    with tempfile.TemporaryDirectory() as folder:
        place = rendezvous.prefix if rendezvous else f"{folder}/store"
        try:
            for rank in range(first_rank, first_rank + devices):
                receiver, sender = context.Pipe(duplex=False)
                settings = {"rank": rank, "place": place, "threads": threads, "sender": sender}
                process = context.Process(
                    target=_run_rank, args=(train, spec, *args), kwargs=settings
                )
                process.name = f"rank {rank}"
                process.start()
                sender.close()
                ranks[receiver] = process
            signal.signal(signal.SIGTERM, stop)
            return _watch(ranks, rendezvous)
        except Exception as error:
            if rendezvous:
                rendezvous.fail(error)
            if stopping and isinstance(error, RankKilledError):
                raise StoppedError from None  # SIGTERM came before there was anything to save
            raise
        finally:
            for process in ranks.values():
                process.kill()
                process.join()


def _watch(ranks: dict[Connection, BaseProcess], rendezvous: Rendezvous | None) -> RunRecord:
    """Wait for all ranks; raise the cause of the first failure."""
    pending = dict(ranks)
    records: dict[Connection, RunRecord] = {}
    failures: list[Exception] = []
    deadline = math.inf
    while (pending or (failures and rendezvous)) and time.monotonic() < deadline:
        ready = wait(pending, _TICK)
        for receiver in [receiver for receiver in pending if receiver in ready]:
            outcome = _receive(receiver, pending.pop(receiver))
            if isinstance(outcome, Exception):
                failures.append(outcome)
                deadline = min(deadline, time.monotonic() + _SECONDS_TO_FIND_CAUSE)
            else:
                records[receiver] = outcome
        if rendezvous:
            rendezvous.check()
    if failures:
        raise failures[0]
    for process in ranks.values():
        process.join(processes.SECONDS_TO_EXIT)
    return records[next(iter(ranks))]


def _receive(receiver: Connection, process: BaseProcess) -> RunRecord | Exception:
    try:
        return receiver.recv()
    except (EOFError, OSError):
        process.join(processes.SECONDS_TO_EXIT)
        status = process.exitcode
        kind = RankKilledError if processes.was_killed(status) else RuntimeError
        raise kind(f"the process of {process.name} {processes.cause_of_death(status)}") from None


def _run_rank(
    train: Callable[..., RunRecord],
    spec: RunSpec,
    *args: object,
    rank: int,
    place: str,
    threads: int,
    sender: Connection,
) -> None:
    """Train with the other ranks, and send the record or the error to the launcher."""
    processes.begin()
    torch.set_num_threads(threads)
    try:
        if spec.device != "cpu":
            torch.accelerator.set_device_index(rank % spec.placement.devices)
        if spec.placement.num_nodes > 1:
            store = dist.PrefixStore(place, connect())
        else:
            store = dist.FileStore(place, spec.placement.ranks)
        backends = f"cpu:gloo,{spec.device}:{dist.get_default_backend_for_device(spec.device)}"
        dist.init_process_group(
            "gloo" if spec.device == "cpu" else backends,
            store=store,
            rank=rank,
            world_size=spec.placement.ranks,
        )
        record = train(spec, *args)
        dist.destroy_process_group()
        sender.send(record)
    except Exception as error:
        keep_explanation(error)
        sender.send(ExceptionWithTraceback(error, error.__traceback__))
        # The launcher kills this process. To exit would close the connections to the other ranks,
        # which would then fail too and hide the cause.
        threading.Event().wait()
