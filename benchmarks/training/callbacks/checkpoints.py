"""A training saved on its way, so that a run that was cut short goes on to the same numbers."""

import hashlib
import io
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO
from torch import nn
from torchmetrics import Metric

from benchmarks.records.storage import quarantine, reason, write_atomic
from benchmarks.training import ddp
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.callbacks.peak_memory import PeakMemory

SECONDS = 30.0  # between two checkpoints within an epoch

_STATE = "run"  # where the state that Lightning does not know of lies in its checkpoint


class StoppedError(Exception):
    """The process was told to terminate; the training is saved as far as it came."""


def weights_digest(net: nn.Module) -> str:
    """A hash of all parameters and buffers, bit by bit, and of their names."""
    hashed = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        hashed.update(flat.view(torch.uint8).numpy())
    return hashed.hexdigest()[:16]


def _metrics(module: nn.Module) -> Iterator[tuple[str, Metric]]:
    return ((name, m) for name, m in module.named_modules() if isinstance(m, Metric))


class CheckpointFile(CheckpointIO):
    """The one checkpoint of a run: Lightning's, and after it its SHA-256."""

    _HASH = hashlib.sha256

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: dict[str, Any] | None = None
        self._warned = False

    def find(self) -> Path | None:
        """The path, if a training can go on from there; a damaged file is named and set aside.

        Rank 0 reads for all.
        """
        content = ddp.broadcast(self._read() if ddp.rank() == 0 else None)
        if content is None:
            return None
        saved = io.BytesIO(memoryview(content)[: -self._HASH().digest_size])
        self._content = torch.load(saved, weights_only=True, map_location="cpu")
        return self.path

    @property
    def micro_batch_size(self) -> int | None:
        """Examples that go through the net at once in the training that was found; None: all."""
        return self._content[_STATE]["micro_batch_size"]

    def load_checkpoint(self, path: Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        content, self._content = self._content, None
        return content

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Path, storage_options: Any = None
    ) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        buffer.write(self._HASH(buffer.getbuffer()).digest())
        try:
            write_atomic(self.path, buffer.getbuffer())
        except OSError as error:
            if not self._warned:
                problem = f"{self.path} cannot be written: {reason(error)}"
                print(f"\nbenchmarks: {problem}; the run goes on", file=sys.stderr)
            self._warned = True

    def remove_checkpoint(self, path: Path) -> None:
        self.path.unlink(missing_ok=True)

    def _read(self) -> bytes | None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            print(f"benchmarks: {self.path} cannot be read: {reason(error)}", file=sys.stderr)
            return None
        size, whole = self._HASH().digest_size, memoryview(content)
        if self._HASH(whole[:-size]).digest() != whole[-size:]:
            quarantine(self.path, "its checksum differs")
            return None
        return content


class Checkpoints(Checkpoint):
    """Saves a training at the end of each epoch, every so often within, and when told to stop.

    Lightning's checkpoint holds weights, optimizer, schedule, loops and the position in the epoch.
    This adds random numbers and metrics of each rank, history, number of threads and the time
    taken, so that the training goes on, on the CPU to the bit, as if nothing had been. Time spent
    on saving, and the time between two processes, are counted nowhere. Of several ranks, all save
    and stop at the same step, though it is rank 0 that writes.

    Args:
        path: the file; None: nothing is saved.
        seconds: at most so often within an epoch.
        clock: stands still while a checkpoint is written.
        watch: has a look at the loss before.
        memory: noted before the first checkpoint is written or read, which takes memory itself.
        jobs: how many runs share the machine.
    """

    def __init__(
        self,
        path: Path | None,
        seconds: float,
        clock: TrainingClock,
        watch: DivergenceWatch,
        memory: PeakMemory,
        jobs: int,
    ) -> None:
        self.jobs, self.memory = jobs, memory
        self.path, self.interval, self.clock, self.watch = path, seconds, clock, watch
        self.resumed = 0
        self.peak_memory_mb = 0.0
        self._is_peak_known = False
        self._seconds = 0.0
        self._own: dict[str, Any] | None = None
        self._stop = False

    @property
    def fit_seconds(self) -> float:
        """Seconds of training so far, those of earlier processes included."""
        return self._seconds + time.perf_counter() - self._since

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            self._since = time.perf_counter()
            for _, metric in _metrics(module):
                metric.persistent(True)

    def on_save_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        device = module.device
        own = {
            "random": {"python": random.getstate(), "cpu": torch.get_rng_state()},
            "metrics": {name: metric.state_dict() for name, metric in _metrics(module)},
        }
        if device.type != "cpu":
            own["random"]["device"] = torch.get_device_module(device).get_rng_state()
        checkpoint[_STATE] = {
            "ranks": ddp.gather(own),
            "loader": trainer.train_dataloader.state_dict(),
            "history": module.history,
            "resumed": self.resumed,
            "jobs": self.jobs,
            "micro_batch_size": module.micro_batch_size,
            "seconds": self._seconds,
            "peak_memory_mb": self.peak_memory_mb,
            "threads": torch.get_num_threads(),
        }

    def on_load_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        state = checkpoint[_STATE]
        module.history[:] = state["history"]
        self.resumed = state["resumed"] + 1
        self.jobs = max(self.jobs, state["jobs"])
        self._seconds = state["seconds"]
        self.peak_memory_mb, self._is_peak_known = state["peak_memory_mb"], True
        self._own, self._loader = state["ranks"][ddp.rank()], state["loader"]
        for name, metric in _metrics(module):  # Lightning has restored those of rank 0
            metric.load_state_dict(self._own["metrics"][name])
        # Sums are taken in an order that depends on it.
        torch.set_num_threads(state["threads"])

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self._own is not None:
            # Lightning restores it only if it has not asked for the number of steps before.
            trainer.train_dataloader.load_state_dict(self._loader)
            numbers = self._own["random"]
            random.setstate(numbers["python"])
            torch.set_rng_state(numbers["cpu"])
            if "device" in numbers:
                torch.get_device_module(module.device).set_rng_state(numbers["device"])
        self._saved = time.monotonic()
        if self.path is not None:
            self._handler = signal.signal(signal.SIGTERM, self._on_signal)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs, batch, batch_idx: int
    ) -> None:
        is_due = self._stop or time.monotonic() - self._saved >= self.interval
        is_due = ddp.any_rank(is_due)
        if is_due and not trainer.is_last_batch:  # the end of the epoch comes at once
            self._save(trainer, module)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._save(trainer, module)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.path is not None:
            signal.signal(signal.SIGTERM, self._handler)

    def note_peak_memory(self) -> None:
        if not self._is_peak_known:
            self.peak_memory_mb = max(ddp.gather(self.memory.mb()))
            self._is_peak_known = True

    def _on_signal(self, number: int, frame: object) -> None:
        self._stop = True

    def _save(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.path is None:
            return
        self.watch.look(trainer)
        self.note_peak_memory()
        with self.clock.stopped(module.device):
            self._seconds = self.fit_seconds
            trainer.save_checkpoint(self.path)
            self._since, self._saved = time.perf_counter(), time.monotonic()
        if ddp.any_rank(self._stop):
            raise StoppedError
