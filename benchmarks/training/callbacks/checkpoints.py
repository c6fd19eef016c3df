"""Decides when a training is saved."""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Protocol

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

from benchmarks.training import ddp
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.callbacks.stop_signal import StoppedError, StopSignal


class Clock(Protocol):
    """A clock that does not count time spent within `stopped`."""

    def stopped(self, device: torch.device) -> AbstractContextManager[None]: ...


class Checkpoints(Checkpoint):
    """Saves a training at the end of each epoch, periodically within, and when told to stop.

    All ranks save and stop at the same step; rank 0 writes.

    Args:
        path: the file.
        seconds: time between two checkpoints within an epoch.
        run: makes what goes into each checkpoint under this name.
        stop: tells when to stop.
        watch: checks the losses before they are saved.
        clocks: stand still while a checkpoint is written.
    """

    def __init__(
        self,
        path: Path,
        seconds: float,
        run: Callable[[], dict[str, Any]],
        *,
        stop: StopSignal,
        watch: DivergenceWatch,
        clocks: Iterable[Clock],
    ) -> None:
        self.path, self.interval, self.run = path, seconds, run
        self.stop, self.watch, self.clocks = stop, watch, list(clocks)
        self._saved_at = time.monotonic()

    def on_save_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["run"] = self.run()

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._saved_at = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        is_due = self.stop.received or time.monotonic() - self._saved_at >= self.interval
        if (
            ddp.any_rank(is_due) and not trainer.is_last_batch
        ):  # the end of the epoch follows at once
            self._save(trainer, module)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._save(trainer, module)

    def _save(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.watch.check(trainer)
        with ExitStack() as stack:
            for clock in self.clocks:
                stack.enter_context(clock.stopped(module.device))
            trainer.save_checkpoint(self.path)
        self._saved_at = time.monotonic()
        if ddp.any_rank(self.stop.received):
            raise StoppedError
