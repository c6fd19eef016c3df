"""The processes of one run on many devices: begun together, and ended together."""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.pool import ExceptionWithTraceback

import torch
import torch.distributed as dist

from benchmarks.execution import processes
from benchmarks.execution.rendezvous import Rendezvous, connect, node_rank
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import RunRecord
from benchmarks.training.callbacks.checkpoints import StoppedError

# After one rank has failed: so that the cause is known, not only that another lost touch with it.
_SECONDS_TO_FAIL = 1.0

_TICK = 0.5  # seconds between two looks at other nodes


class RankKilledError(RuntimeError):
    """The process of a rank was killed; the message names rank and signal."""


@dataclass(frozen=True, eq=False)
class _Rank:
    number: int
    process: multiprocessing.Process
    receiver: connection.Connection


def launch(train: Callable[..., RunRecord], spec: RunSpec, *args: object) -> RunRecord:
    """`train(spec, *args)` in a process for each device, among which the threads are divided.

    This process does nothing but watch: if one rank ends badly, so do the others. SIGTERM is passed
    on to all, and they stop at the same step.

    Returns:
        The record of the first rank of this node.

    Raises:
        RankKilledError: the process of a rank was killed.
        Exception: whatever a rank raised, of this node or of another.
    """
    # The imports are here already, no device is in use, and no thread but one that waits for the
    # parent: forking is safe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    threads = max(1, torch.get_num_threads() // spec.devices)
    meeting = Rendezvous(spec) if spec.num_nodes > 1 else None
    ranks: list[_Rank] = []
    told = False

    def pass_on(number: int, frame: object) -> None:
        nonlocal told
        told = True
        for rank in ranks:
            rank.process.terminate()

    with tempfile.TemporaryDirectory() as folder:
        place = meeting.prefix if meeting else f"{folder}/store"
        try:
            for local_rank in range(spec.devices):
                receiver, sender = context.Pipe(duplex=False)
                arguments = (local_rank, place, threads, sender, train, spec, *args)
                process = context.Process(target=_run, args=arguments)
                process.start()
                sender.close()
                ranks.append(_Rank(_first_rank(spec) + local_rank, process, receiver))
            signal.signal(signal.SIGTERM, pass_on)
            return _first_outcome(ranks, meeting)
        except Exception as error:
            if meeting:
                meeting.fail(error)
            if told and isinstance(error, RankKilledError):
                raise StoppedError from None  # before it had something to save
            raise
        finally:
            for rank in ranks:
                rank.process.kill()
                rank.process.join()


def _first_rank(spec: RunSpec) -> int:
    """The number of the first rank of this node."""
    return node_rank(spec.num_nodes) * spec.devices


def _first_outcome(ranks: list[_Rank], meeting: Rendezvous | None) -> RunRecord:
    """The record of the first rank once all have ended well; otherwise what went wrong first."""
    record, failure, until = None, None, None
    pending = {rank.receiver: rank for rank in ranks}
    while pending and (until is None or time.monotonic() < until):
        for receiver in connection.wait(pending, _TICK):
            rank = pending.pop(receiver)
            try:
                outcome = receiver.recv()
            except (EOFError, OSError):
                rank.process.join(processes.SECONDS_TO_EXIT)
                raise _cause_of_death(rank) from None
            if isinstance(outcome, Exception):
                failure = failure or outcome
                until = until or time.monotonic() + _SECONDS_TO_FAIL
            elif rank is ranks[0]:
                record = outcome
        if meeting and failure is None:
            meeting.check()
    if failure is not None:
        raise failure
    for rank in ranks:
        rank.process.join(processes.SECONDS_TO_EXIT)
    return record


def _cause_of_death(rank: _Rank) -> RuntimeError:
    status = rank.process.exitcode
    error = RankKilledError if processes.was_killed(status) else RuntimeError
    return error(f"the process of rank {rank.number} {processes.cause_of_death(status)}")


def _run(
    local_rank: int,
    place: str,
    threads: int,
    sender: connection.Connection,
    train: Callable[..., RunRecord],
    spec: RunSpec,
    *args: object,
) -> None:
    """What the process of a rank does: train with the others, and send its record or its error."""
    processes.begin()
    torch.set_num_threads(threads)
    # By these, and the process group, Lightning knows that it need not begin any process.
    os.environ |= {"LOCAL_RANK": str(local_rank), "NODE_RANK": str(node_rank(spec.num_nodes))}
    if spec.device != "cpu":
        torch.accelerator.set_device_index(local_rank)
    backends = {"cpu": "gloo", spec.device: dist.Backend.default_device_backend_map[spec.device]}
    alone = spec.num_nodes == 1
    store = dist.FileStore(place, spec.ranks) if alone else dist.PrefixStore(place, connect())
    dist.init_process_group(
        ",".join(f"{device}:{backend}" for device, backend in backends.items()),
        store=store,
        rank=_first_rank(spec) + local_rank,
        world_size=spec.ranks,
    )
    try:
        outcome = train(spec, *args)
        dist.destroy_process_group()
    except Exception as error:
        outcome = ExceptionWithTraceback(error, error.__traceback__)
    sender.send(outcome)
