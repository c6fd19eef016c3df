"""What node 0 and the other nodes do around a sweep."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import torch.distributed as dist

from benchmarks.errors import UsageError
from benchmarks.execution.executor import Executor
from benchmarks.execution.rendezvous import RUNS, connect, run_key
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import RecordStore, RunRecord

_TICK = 0.5  # seconds between two looks into the store
_END, _LEFT = "end", "left"


@contextmanager
def leading(num_nodes: int) -> Iterator[None]:
    """What node 0 does around its sweep: be there for the others, and let them go."""
    if num_nodes == 1:
        yield
        return
    store = connect(is_master=True)
    try:
        yield
    finally:
        store.set(run_key(store.add(RUNS, 1)), _END)
        deadline = time.monotonic() + 10 * _TICK
        while store.add(_LEFT, 0) < num_nodes - 1 and time.monotonic() < deadline:
            time.sleep(_TICK / 10)


def follow(specs: list[RunSpec], results: RecordStore, executor: Executor) -> list[RunRecord]:
    """What the other nodes do: run what node 0 runs, and keep nothing.

    Raises:
        UsageError: node 0 is gone, or was given another command.
    """
    by_key = {spec.key: spec for spec in specs}
    records = []
    try:
        store = connect()
        for number in count(1):
            while not store.check([run_key(number)]):
                time.sleep(_TICK)
            key = store.get(run_key(number)).decode()
            if key == _END:
                store.add(_LEFT, 1)
                return records
            if key not in by_key:
                raise UsageError("node 0 runs what is not planned here: give the same command")
            spec = by_key[key]
            print(f"{spec.title} ...", flush=True)
            executor.start(spec, results.checkpoint(spec))
            while not (ended := list(executor.wait(_TICK))):
                continue
            ((_, record),) = ended
            print(f"{spec.title}: {record.error or record.status}", flush=True)
            records.append(record)
    except dist.DistError:
        raise UsageError("node 0 is gone; the same command goes on") from None
    finally:
        executor.kill()
