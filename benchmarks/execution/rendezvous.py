"""How the nodes of a run, and their ranks, find each other.

A node is a machine that takes part in a run; the same command is started on each. As with torchrun,
MASTER_ADDR and MASTER_PORT are the address of node 0, and NODE_RANK numbers the nodes. Node 0
decides which runs are started and keeps the records; the other nodes follow. They share a
key-value store, which the command on node 0 serves.
"""

import os
import pickle
from datetime import timedelta

import torch.distributed as dist

from benchmarks.errors import UsageError
from benchmarks.planning.plan import RunSpec

VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")

RUNS = "runs"  # the key of the number of runs started

_TIMEOUT = timedelta(minutes=10)  # for a node that has not started yet


def node_rank(num_nodes: int) -> int:
    """The number of this node.

    Raises:
        UsageError: an environment variable is missing or invalid.
    """
    if num_nodes == 1:
        return 0
    if missing := [name for name in VARIABLES if not os.environ.get(name)]:
        raise UsageError(f"{num_nodes} nodes need {', '.join(missing)} in the environment")
    for name, limit in (("MASTER_PORT", 2**16), ("NODE_RANK", num_nodes)):
        if not os.environ[name].isdecimal() or int(os.environ[name]) >= limit:
            raise UsageError(f"{name} must be a whole number below {limit}")
    return int(os.environ["NODE_RANK"])


def connect(is_master: bool = False) -> dist.TCPStore:
    """The store of all nodes, served by this process if it `is_master`.

    Raises:
        UsageError: node 0 cannot be reached, or its port is in use.
    """
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        return dist.TCPStore(
            address, port, is_master=is_master, wait_for_workers=False, timeout=_TIMEOUT
        )
    except dist.DistError as error:
        problem = "cannot be opened" if is_master else "cannot be reached"
        reason = str(error).splitlines()[0]
        raise UsageError(f"node 0 at {address}:{port} {problem}: {reason}") from None


def run_key(number: int) -> str:
    """The key in the store of the run with this number; its value is the key of the `RunSpec`."""
    return f"run {number}"


class Rendezvous:
    """One run in the store of the nodes: its number, and the error of a node that failed.

    Args:
        spec: the run. Node 0 gives it the next number; the others expect it to be the latest.

    Attributes:
        prefix: of the keys by which the ranks find each other.

    Raises:
        RuntimeError: node 0 has already started another run.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._store = connect()
        leads = node_rank(spec.placement.num_nodes) == 0
        self.prefix = run_key(self._store.add(RUNS, int(leads)))
        self._failure = f"{self.prefix} failed"
        if leads:
            self._store.set(self.prefix, spec.key)
        elif self._store.get(self.prefix).decode() != spec.key:
            raise RuntimeError("node 0 has already started another run")

    def fail(self, error: Exception) -> None:
        """Report an error to the other nodes."""
        self._store.set(self._failure, pickle.dumps(error))

    def check(self) -> None:
        """Raise the error that a node has reported."""
        if self._store.check([self._failure]):
            raise pickle.loads(self._store.get(self._failure))
