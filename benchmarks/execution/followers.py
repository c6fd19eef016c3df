"""A sweep on several nodes: node 0 leads, and the others follow it from run to run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import torch.distributed as dist

from benchmarks.errors import UsageError
from benchmarks.execution.executor import Executor
from benchmarks.execution.rendezvous import RUNS, connect, run_key
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import RunRecord
from benchmarks.records.store import RecordStore

_TICK = 0.5  # seconds between two looks into the store
_SECONDS_TO_LEAVE = 5.0

_END = "end"  # in place of the key of a run: there are no more
_LEFT = "left"  # the key of the number of nodes that have read it


@contextmanager
def leading(num_nodes: int) -> Iterator[None]:
    """Serve the store to the other nodes during a sweep, and dismiss them at its end."""
    if num_nodes == 1:
        yield
        return
    store = connect(is_master=True)
    try:
        yield
    finally:
        store.set(run_key(store.add(RUNS, 1)), _END)
        deadline = time.monotonic() + _SECONDS_TO_LEAVE
        while store.add(_LEFT, 0) < num_nodes - 1 and time.monotonic() < deadline:
            time.sleep(_TICK / 10)


def follow(specs: list[RunSpec], results: RecordStore, executor: Executor) -> list[RunRecord]:
    """Take part in every run that node 0 starts. The records are returned but not kept.

    Raises:
        UsageError: node 0 is gone, or was given another command.
    """
    by_key = {spec.key: spec for spec in specs}
    records = []
    try:
        for key in _keys():
            if key not in by_key:
                raise UsageError("node 0 runs something else; give all nodes the same command")
            spec = by_key[key]
            print(f"{spec.title} ...", flush=True)
            # To wait could be for ever: the other sweep may wait for the machine of node 0.
            if holder := executor.occupied():
                print(f"{spec.title}: {holder}; this node does not wait", flush=True)
            executor.start(spec, results.checkpoint(spec))
            while not (outcomes := list(executor.wait(_TICK))):
                continue
            executor.kill()  # nothing runs any more: gives the machine back until the next run
            for _, record in outcomes:
                if record is not None:
                    print(f"{spec.title}: {record.error or record.status}", flush=True)
                    records.append(record)
    except dist.DistError:
        raise UsageError("node 0 is gone; start the same command again to go on") from None
    finally:
        executor.kill()
    return records


def _keys() -> Iterator[str]:
    """The keys of the runs that node 0 starts, as it starts them."""
    store = connect()
    for number in count(1):
        while not store.check([run_key(number)]):
            time.sleep(_TICK)
        key = store.get(run_key(number)).decode()
        if key == _END:
            store.add(_LEFT, 1)
            return
        yield key
