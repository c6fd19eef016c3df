"""Runs on a Ray cluster: the one `RAY_ADDRESS` names, or one of this machine for the sweep alone.

A task on a worker of Ray does there what the local executor does here: it starts a process for the
run, heeds the timeout and sends back the record. So a run ends in the same ways wherever it is.

What a cluster must have: on every node the libraries this project needs, and the data in the same
`DATA_DIR` (or leave to fetch them). The code is the driver's, which Ray takes along; packages with
models of the user's own must be installed. Checkpoints lie where the driver's results are: in a
folder that all nodes share, or at a URL. Where they share none, runs are as good, but one that has
lost its node begins anew, and what it saved stays behind on that node.
"""

import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import ray
import torch
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

import benchmarks
import datamodules
import lit_models
from benchmarks.errors import UsageError
from benchmarks.execution.executor import Outcome
from benchmarks.execution.local import LocalExecutor, last_line
from benchmarks.machine import environment
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import FAILED, KILLED, RunRecord
from benchmarks.training.callbacks.checkpoints import SECONDS

RETRIES = 3  # of a run that lost its worker

_UNITS = 10_000  # in one of what Ray hands out; of more than one it hands out whole ones
_TICK = 0.5  # seconds between two looks at whether to stop
_SECONDS_TO_CONNECT = 5.0
_SECONDS_TO_PRINT = 1.0  # what the workers wrote last is still on its way

# The code that Ray takes along.
_PACKAGES = [Path(package.__file__).parent for package in (benchmarks, datamodules, lit_models)]


@dataclass(frozen=True)
class Share:
    """What of a node a run takes; shares below one are of a CPU or GPU that several runs use."""

    cpus: float
    gpus: float

    @classmethod
    def of(cls, nodes: list[dict[str, float]], on_gpu: bool, jobs: int | None) -> "Share":
        """The share that fits `jobs` times on the smallest node.

        Args:
            nodes: the resources of each, as of Ray.
            on_gpu: leave out nodes without a GPU, and give each run one, or, if there are more runs
                than GPUs, a part of one.
            jobs: runs at a time on a node; None: one on each GPU, or one if they take none.

        Raises:
            UsageError: no node will do.
        """
        kind = "GPU" if on_gpu else "CPU"
        nodes = [node for node in nodes if node.get(kind, 0) >= 1]
        if not nodes:
            hint = "; --device cpu does without" if on_gpu else ""
            raise UsageError(f"no node of the Ray cluster has a {kind}{hint}")
        shares = []
        for node in nodes:
            gpus = node["GPU"] if on_gpu else 0
            runs = jobs or int(gpus) or 1
            shares.append((_part(node.get("CPU", 0), runs), min(1, _part(gpus, runs))))
        return cls(*map(min, zip(*shares, strict=True)))

    def times(self, node: dict[str, float]) -> int:
        """How often it fits on a node."""
        wanted = {"CPU": round(self.cpus * _UNITS), "GPU": round(self.gpus * _UNITS)}
        fits = (node.get(kind, 0) * _UNITS // units for kind, units in wanted.items() if units)
        return int(min(fits))


def _part(whole: float, runs: int) -> float:
    return whole // runs if whole >= runs else whole * _UNITS // runs / _UNITS


@dataclass(frozen=True)
class _Run:
    spec: RunSpec
    checkpoint: Path
    retries: int = RETRIES


class RayExecutor:
    """Runs as tasks of a Ray cluster, as many at a time as it has room for.

    Each run is alone on its share of a node's CPUs, and on its GPU. A run whose worker or node is
    lost goes on elsewhere from its checkpoint, `RETRIES` times.

    Args:
        data_dir: the data folder, on every node.
        device: the device type of the runs.
        jobs: runs at a time on a node; None: one on each GPU, or one if they take none.
        timeout: seconds a run may take before it is killed; None: as long as it likes.
        checkpoint_seconds: time between two checkpoints within an epoch.

    Raises:
        UsageError: there is no such cluster, or no node that has the device.
    """

    shows_steps = False

    def __init__(
        self,
        data_dir: Path,
        device: str,
        jobs: int | None = None,
        timeout: float | None = None,
        checkpoint_seconds: float = SECONDS,
    ) -> None:
        _connect(os.environ.get("RAY_ADDRESS"))
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self.share = Share.of(nodes, device not in ("cpu", "mps"), jobs)
        self.jobs = sum(self.share.times(node) for node in nodes)
        self._options = {
            "data_dir": data_dir.absolute(),
            "timeout": timeout,
            "checkpoint_seconds": checkpoint_seconds,
        }
        self._runs: dict[ray.ObjectRef, _Run] = {}
        self._stopping = False

    def __str__(self) -> str:
        return (
            f"executor ray: up to {self.jobs} at a time, "
            f"CPUs of each: {self.share.cpus:g}, GPUs of each: {self.share.gpus:g}"
        )

    def start(self, spec: RunSpec, checkpoint: Path) -> None:
        self._submit(_Run(spec, checkpoint.absolute()))

    def wait(self, seconds: float) -> list[Outcome]:
        if self._stopping:
            for task in self._runs:
                ray.cancel(task)
        if not self._runs:
            time.sleep(seconds)
            return []
        ended, _ = ray.wait(list(self._runs), timeout=seconds)
        outcomes = []
        for task in ended:
            run = self._runs.pop(task)
            try:
                outcomes.append((run.spec, _record(task)))
            except RayTaskError as error:
                print(error, file=sys.stderr)
                record = RunRecord.of(run.spec, status=FAILED, error=last_line(error.cause))
                outcomes.append((run.spec, record))
            except RayError as error:
                outcomes += self._after_loss(run, str(error).partition("\n")[0])
        return outcomes

    def stop(self) -> None:
        self._stopping = True

    def kill(self) -> None:
        for task in self._runs:
            ray.cancel(task, force=True)
        self._runs.clear()
        time.sleep(_SECONDS_TO_PRINT)
        ray.shutdown()

    def _submit(self, run: _Run) -> None:
        remote = ray.remote(num_cpus=self.share.cpus, num_gpus=self.share.gpus, max_retries=0)
        arguments = (run.spec, run.spec.key, run.checkpoint, self.share, self._options)
        self._runs[remote(_carry_out).remote(*arguments)] = run

    def _after_loss(self, run: _Run, reason: str) -> list[Outcome]:
        if self._stopping:
            return [(run.spec, None)]
        if run.retries:
            print(f"benchmarks: {run.spec.title} goes on elsewhere: {reason}", file=sys.stderr)
            self._submit(replace(run, retries=run.retries - 1))
            return []
        reason = f"its Ray worker was lost {1 + RETRIES} times: {reason}"
        return [(run.spec, RunRecord.of(run.spec, status=KILLED, error=reason))]


def _record(task: ray.ObjectRef) -> RunRecord | None:
    try:
        record = ray.get(task)
    except TaskCancelledError:
        return None
    if record is not None and record.commit is not None:
        record.commit = environment.commit()  # of the code that Ray took along
    return record


def _connect(address: str | None) -> None:
    """Find the cluster, or start one; signals stay the sweep's, and Ray reports to nobody."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    runtime_env = {"py_modules": list(map(str, _PACKAGES))}
    handler = signal.getsignal(signal.SIGTERM)
    if not address:
        ray.init("local", include_dashboard=False, logging_level="ERROR", runtime_env=runtime_env)
    else:
        try:
            _knock(address)
            ray.init(address, logging_level="ERROR", runtime_env=runtime_env)
        except (OSError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"no Ray cluster at RAY_ADDRESS={address}: {reason}") from None
    signal.signal(signal.SIGTERM, handler)


def _knock(address: str) -> None:
    """Where nobody answers, Ray itself would try for minutes, and then end the process."""
    where = urlsplit(address if "//" in address else f"//{address}")
    if where.port:
        socket.create_connection((where.hostname, where.port), _SECONDS_TO_CONNECT).close()


def _carry_out(
    spec: RunSpec, key: str, checkpoint: Path, share: Share, options: dict
) -> RunRecord | None:
    """What a worker of Ray does: the run, in a process of its own, until it ends or is to stop."""
    if replace(spec).key != key:  # which keeps no key from before
        libraries = "torch, torchvision or lightning"
        reason = f"its node has other code, or other versions of {libraries}, than the driver"
        return RunRecord.of(spec, status=FAILED, error=reason)
    here = ray.get_runtime_context().get_node_id()
    (node,) = (node["Resources"] for node in ray.nodes() if node["NodeID"] == here)
    threads = min(torch.get_num_threads(), max(1, int(share.cpus)))
    executor = LocalExecutor(jobs=share.times(node), threads=threads, **options)
    # To be cancelled, in Ray, is to be interrupted.
    handler = signal.signal(signal.SIGINT, lambda number, frame: executor.stop())
    try:
        executor.start(spec, checkpoint)
        while not (ended := executor.wait(_TICK)):
            pass
    finally:
        signal.signal(signal.SIGINT, handler)
    ((_, record),) = ended
    return record
