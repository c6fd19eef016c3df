"""`launch` on one node and on two. The training functions only meet, fail or wait."""

import multiprocessing
import os
import signal
import socket
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from filelock import FileLock
from torch import nn

from benchmarks.execution import processes
from benchmarks.execution.launcher import RankKilledError, launch
from benchmarks.execution.rendezvous import connect, run_key
from benchmarks.planning.placement import DDP, Placement
from benchmarks.training import ddp
from benchmarks.training.callbacks.divergence import DivergedError
from benchmarks.training.callbacks.stop_signal import StoppedError
from lit_models.mistakes import explain


@pytest.fixture
def node(monkeypatch):
    """Launches a training function on one of the nodes; returns the future of its record."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    store = connect(is_master=True)
    pool = ProcessPoolExecutor(2, processes.context())

    def start(train, *args, devices=2, number=0, num_nodes=1):
        placement = Placement("cpu", devices, num_nodes, DDP)
        spec = SimpleNamespace(device="cpu", key="key", placement=placement)
        if number > 0:  # as `follow` does
            store.wait([run_key(1)])
        return pool.submit(launch_on, number, port, train, spec, *args)

    yield start
    for process in multiprocessing.active_children():
        process.kill()
    pool.shutdown()


def launch_on(node, port, train, spec, *args):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": str(node)}
    torch.set_num_threads(4)
    return launch(train, spec, *args)


def meet(spec):
    ranks = ddp.RunningRanks(spec.placement.devices)
    found = (ddp.rank(), ranks.node_rank(), ranks.local_rank(), torch.get_num_threads())
    return ddp.gather(found)


@pytest.mark.parametrize(("devices", "num_nodes"), [(3, 1), (1, 2)])
def test_ranks_meet_and_divide_the_threads(node, devices, num_nodes):
    nodes = [node(meet, devices=devices, number=n, num_nodes=num_nodes) for n in range(num_nodes)]
    ranks = range(devices * num_nodes)
    expected = [(rank, rank // devices, rank % devices, 4 // devices) for rank in ranks]
    assert [future.result(timeout=60) for future in nodes] == [expected] * num_nodes


def fail(spec, by_kill):
    """The last rank fails while the others wait for it in a collective."""
    dist.barrier()
    if ddp.rank() == dist.get_world_size() - 1:
        if by_kill:
            os.kill(os.getpid(), signal.SIGKILL)
        raise DivergedError("the loss became nan")
    dist.barrier()


@pytest.mark.parametrize(("devices", "num_nodes"), [(2, 1), (1, 2)])
@pytest.mark.parametrize(
    ("by_kill", "error", "message"),
    [
        (False, DivergedError, "the loss became nan"),
        (True, RankKilledError, "the process of rank 1 was killed by SIGKILL"),
    ],
    ids=["raises", "killed"],
)
def test_every_node_raises_the_cause(node, devices, num_nodes, by_kill, error, message):
    """Not the lost connection that other ranks report."""
    options = {"devices": devices, "num_nodes": num_nodes}
    for future in [node(fail, by_kill, number=n, **options) for n in range(num_nodes)]:
        with pytest.raises(error, match=message):
            future.result(timeout=60)


def misfit(spec):
    nn.Sequential(nn.Linear(4, 2))(torch.zeros(1, 3))


def test_a_mistake_in_a_net_is_explained_outside_its_rank(node):
    error = node(misfit).exception(timeout=60)
    assert explain(error).startswith("layer 0, Linear: takes (N, 4), not (1, 3), at tests/")


def stop(spec, can_save):
    """SIGTERM reaches the launcher while the ranks train."""
    signals = []
    if can_save:
        signal.signal(signal.SIGTERM, lambda *args: signals.append(args))
    dist.barrier()
    if ddp.rank() == 0:
        os.kill(multiprocessing.parent_process().pid, signal.SIGTERM)
    while not ddp.any_rank(bool(signals)):
        pass
    raise StoppedError


@pytest.mark.parametrize("can_save", [True, False])
def test_a_signal_to_the_launcher_stops_all_ranks(node, can_save):
    with pytest.raises(StoppedError):
        node(stop, can_save).result(timeout=60)


def abandon(spec, folder):
    """The launcher is killed while one rank waits for a signal and the other in a collective."""
    FileLock(folder / f"{ddp.rank()}").acquire()
    dist.barrier()
    if ddp.rank() == 0:
        os.kill(multiprocessing.parent_process().pid, signal.SIGKILL)
        signal.pause()
    dist.barrier()


def test_ranks_end_with_a_killed_launcher(node, tmp_path):
    with pytest.raises(BrokenProcessPool):
        node(abandon, tmp_path).result(timeout=60)
    for rank in range(2):
        FileLock(tmp_path / f"{rank}").acquire(timeout=20)
