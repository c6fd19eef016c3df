"""One run on several machines, called nodes: the same command is started on each.

As with torchrun, MASTER_ADDR and MASTER_PORT name node 0, and NODE_RANK tells the nodes apart.
Node 0 decides what is run, and keeps the records; the others follow. They meet in a store of keys
and values that lives in the command of node 0.
"""

import os
import pickle
from datetime import timedelta

import torch.distributed as dist

from benchmarks.errors import UsageError
from benchmarks.planning.plan import RunSpec

VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")

_PATIENCE = timedelta(minutes=10)  # for a node that is not there yet
RUNS = "runs"  # the key that counts the runs begun


def node_rank(num_nodes: int) -> int:
    """The number of this node.

    Raises:
        UsageError: a variable of the environment is missing, or is no number it can be.
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
    """The store of all nodes.

    Raises:
        UsageError: node 0 is not to be reached, or its port is taken.
    """
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        return dist.TCPStore(
            address, port, is_master=is_master, wait_for_workers=False, timeout=_PATIENCE
        )
    except dist.DistError as error:
        problem = "cannot be opened" if is_master else "is not to be reached"
        reason = str(error).splitlines()[0]
        raise UsageError(f"node 0 at {address}:{port} {problem}: {reason}") from None


class Rendezvous:
    """A run as the nodes see it: where their ranks find each other, and whether one has failed."""

    def __init__(self, spec: RunSpec) -> None:
        self._store = connect()
        if node_rank(spec.num_nodes) == 0:
            self.number = self._store.add(RUNS, 1)
            self._store.set(run_key(self.number), spec.key)
        else:
            self.number = self._store.add(RUNS, 0)
            if self._store.get(run_key(self.number)).decode() != spec.key:
                raise RuntimeError("node 0 has gone on to another run")

    @property
    def prefix(self) -> str:
        """Where in the store the ranks meet."""
        return run_key(self.number)

    def fail(self, error: Exception) -> None:
        """Let the other nodes know."""
        self._store.set(f"{self.prefix} failed", pickle.dumps(error))

    def check(self) -> None:
        """Raise the error of a node that has failed."""
        if self._store.check([f"{self.prefix} failed"]):
            raise pickle.loads(self._store.get(f"{self.prefix} failed"))


def run_key(number: int) -> str:
    return f"run {number}"
