"""Runs on a Ray cluster: the one `RAY_ADDRESS` names, or else one of this machine for the sweep.

A task on a worker of Ray carries out a run with a local executor: the run has a process of its own,
observes the timeout, and ends in the same ways as on this machine. docs/clusters.md says what the
nodes need.
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
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

import benchmarks
import datamodules
import lit_models
from benchmarks.errors import UsageError
from benchmarks.execution.executor import Outcome
from benchmarks.execution.local import LocalExecutor, last_line
from benchmarks.execution.processes import handling
from benchmarks.machine import environment, process_settings, shell
from benchmarks.machine.timing_lock import Holder, await_turn
from benchmarks.planning.options import read_folder
from benchmarks.planning.plan import RunOptions, RunSpec
from benchmarks.records.record import FAILED, KILLED, RunRecord
from benchmarks.training.stage import Stage
from lit_models.pretrained import PRETRAINED

RETRIES = 3  # of a run that lost its worker

_UNITS = 10_000  # Ray divides a CPU or GPU into so many, and hands out several only as wholes
_TICK = 0.5  # seconds between two checks of whether to stop
_SECONDS_TO_CONNECT = 5.0
_SECONDS_TO_PRINT = 1.0  # for the last output of the workers to arrive

# The code that Ray ships.
_PACKAGES = [str(Path(p.__path__[0])) for p in (benchmarks, datamodules, lit_models)]


@dataclass(frozen=True)
class Resources:
    """CPUs and GPUs of a node for one run; below one where several runs use a CPU or GPU."""

    cpus: float
    gpus: float

    @classmethod
    def of(cls, nodes: list[dict[str, float]], on_gpu: bool, jobs: int) -> "Resources":
        """The resources that fit `jobs` times on the smallest node.

        Args:
            nodes: resources of each node, as Ray reports them.
            on_gpu: use only nodes with a GPU, and give each run one, or a part of one if there are
                more runs than GPUs.
            jobs: runs at a time on a node; 0: one on each GPU, or one without GPUs.

        Raises:
            UsageError: no node fits.
        """
        kind = "GPU" if on_gpu else "CPU"
        nodes = [node for node in nodes if node.get(kind, 0) >= 1]
        if not nodes:
            hint = "; --device cpu does without" if on_gpu else ""
            raise UsageError(f"no node of the Ray cluster has a {kind}{hint}")
        found = []
        for node in nodes:
            gpus = node["GPU"] if on_gpu else 0
            runs = jobs or int(gpus) or 1
            found.append((_part(node.get("CPU", 0), runs), min(1, _part(gpus, runs))))
        return cls(*map(min, zip(*found, strict=True)))

    def times(self, node: dict[str, float]) -> int:
        """How often these resources fit on a node."""
        wanted = {"CPU": round(self.cpus * _UNITS), "GPU": round(self.gpus * _UNITS)}
        fits = (node.get(kind, 0) * _UNITS // units for kind, units in wanted.items() if units)
        return int(min(fits))


def _part(whole: float, runs: int) -> float:
    return whole // runs if whole >= runs else whole * _UNITS // runs / _UNITS


@dataclass(frozen=True)
class _Run:
    spec: RunSpec
    checkpoint: Path
    previous: RunRecord | None
    retries: int = RETRIES


class RayExecutor:
    """Runs as tasks of a Ray cluster, as many at a time as it has room for.

    A run has its part of a node's CPUs, and its GPU, to itself. A run whose worker or node is lost
    resumes elsewhere from its checkpoint, at most `RETRIES` times.

    Args:
        options: of every run; each node decides on threads, and on jobs as `Resources.of` says.
        device: type of device.

    Raises:
        UsageError: no such cluster, or no node that has the device.
    """

    options = None  # threads and hardware are known on the node only

    def __init__(self, options: RunOptions, device: str) -> None:
        _connect(os.environ.get("RAY_ADDRESS"))
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self.resources = Resources.of(nodes, device not in ("cpu", "mps"), options.jobs)
        self.jobs = sum(self.resources.times(node) for node in nodes)
        self.timing = options.timing
        self._options = replace(options, data_dir=options.data_dir.absolute())
        self._runs: dict[ray.ObjectRef, _Run] = {}
        self._stopping = False

    def __str__(self) -> str:
        return (
            f"executor ray: up to {self.jobs} at a time, "
            f"CPUs of each: {self.resources.cpus:g}, GPUs of each: {self.resources.gpus:g}"
        )

    def occupied(self) -> Holder | None:
        return None  # the task reserves the machine it runs on

    def start(self, spec: RunSpec, checkpoint: Path, previous: RunRecord | None = None) -> None:
        self._submit(_Run(_found_anywhere(spec), checkpoint.absolute(), previous))

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

    def stages(self) -> dict[str, Stage]:
        return {}  # tasks report nothing until they end

    def stop(self) -> None:
        self._stopping = True

    def kill(self) -> None:
        for task in self._runs:
            ray.cancel(task, force=True)
        self._runs.clear()
        time.sleep(_SECONDS_TO_PRINT)
        ray.shutdown()

    def _submit(self, run: _Run) -> None:
        remote = ray.remote(
            num_cpus=self.resources.cpus, num_gpus=self.resources.gpus, max_retries=0
        )
        arguments = (run, run.spec.key, self.resources, self._options)
        self._runs[remote(_carry_out).remote(*arguments)] = run

    def _after_loss(self, run: _Run, reason: str) -> list[Outcome]:
        if self._stopping:
            return [(run.spec, None)]
        if run.retries:
            print(f"benchmarks: {run.spec.title} resumes elsewhere: {reason}", file=sys.stderr)
            self._submit(replace(run, retries=run.retries - 1))
            return []
        reason = f"its Ray worker was lost {1 + RETRIES} times: {reason}"
        return [(run.spec, RunRecord.of(run.spec, status=KILLED, error=reason))]


def _found_anywhere(spec: RunSpec) -> RunSpec:
    """The run, whose weights are found from any working folder; its key is the same."""
    weights = spec.protocol.weights
    if not weights or weights == PRETRAINED or "://" in weights:
        return spec
    path = str(read_folder(weights).absolute())
    return replace(spec, protocol=replace(spec.protocol, weights=path))


def _record(task: ray.ObjectRef) -> RunRecord | None:
    try:
        record = ray.get(task)
    except TaskCancelledError:
        return None
    if record is not None and record.environment.commit is not None:
        shipped = environment.commit()
        return replace(record, environment=replace(record.environment, commit=shipped))
    return record


def _connect(address: str | None) -> None:
    """Find the cluster, or start one, keeping the sweep's signal handlers."""
    os.environ.setdefault("RAY_TMPDIR", shell.socket_folder())
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    runtime_env = {"py_modules": _PACKAGES}
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
    """Fail fast: if nobody answers, Ray retries for minutes and then ends the process."""
    where = urlsplit(address if "//" in address else f"//{address}")
    if where.port:
        socket.create_connection((where.hostname, where.port), _SECONDS_TO_CONNECT).close()


def _carry_out(run: _Run, key: str, resources: Resources, options: RunOptions) -> RunRecord | None:
    """Carry out a run on a worker of Ray, until it ends or is told to stop."""
    spec = replace(run.spec)  # without the cached key
    if spec.key != key:
        reason = "its node has other code, or other versions of libraries, than the driver"
        return RunRecord.of(spec, status=FAILED, error=reason)
    here = ray.get_runtime_context().get_node_id()
    (node,) = (node["Resources"] for node in ray.nodes() if node["NodeID"] == here)
    threads = min(process_settings.threads(), max(1, int(resources.cpus)))
    executor = LocalExecutor(replace(options, jobs=resources.times(node), threads=threads))
    # Ray cancels a task by an interrupt.
    with handling(lambda number, frame: executor.stop(), signal.SIGINT):
        try:
            await_turn(executor.occupied, f"{spec.title}: ", lambda: executor.stopping)
            if executor.stopping:
                return None
            executor.start(spec, run.checkpoint, run.previous)
            while not (ended := executor.wait(_TICK)):
                pass
        finally:
            executor.kill()
    ((_, record),) = ended
    return record
