"""Examples/sec of the training loop, the device synchronised around every clock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import lightning as L
import torch

from benchmarks.machine.accelerator import now
from datamodules.loader import BatchGroups, DeviceLoader


class TrainingClock(L.Callback):
    """Times the training loop: batches, steps and metrics, device synchronised at both ends.

    Not timed: warm-up steps; the last batch of a process's first epoch (a new shape); time between
    epochs; time while stopped.

    Args:
        warmup_steps: untimed steps at the start of a process; half of all steps if these are few.
    """

    def __init__(self, warmup_steps: int = 5) -> None:
        self.warmup_steps = warmup_steps
        self.examples = 0
        self.seconds = 0.0
        self._calls = 0  # with a batch or a group of batches
        self._is_first_epoch = True
        self.first_step_at: float | None = None
        self._started: float | None = None

    @property
    def examples_per_sec(self) -> float:
        return self.examples / self.seconds

    def state_dict(self) -> dict[str, Any]:
        return {"examples": self.examples, "seconds": self.seconds, "calls": self._calls}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.examples, self.seconds = state_dict["examples"], state_dict["seconds"]
        self._calls = state_dict["calls"]

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        ahead = int(trainer.estimated_stepping_batches) - self._calls
        loader = trainer.train_dataloader
        warmup = ceil(self.warmup_steps / (loader.size if isinstance(loader, BatchGroups) else 1))
        self._warm_at = self._calls + min(warmup, ahead // 2)
        self._start_if_warm(module)  # a resumed epoch has no start

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._start_if_warm(module)

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        if self.first_step_at is None:
            self.first_step_at = time.time()
        if self._is_first_epoch and self.examples and trainer.is_last_batch:
            self._stop(module.device)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, _: Any, batch: Any, batch_idx: int
    ) -> None:
        self._calls += 1
        if self._started is not None:
            loader = trainer.train_dataloader
            is_ours = isinstance(loader, DeviceLoader | BatchGroups)  # it may serve a slice only
            self.examples += loader.global_size(batch_idx) if is_ours else len(batch[1])
        elif not trainer.is_last_batch:
            self._start_if_warm(module)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._stop(module.device)
        self._is_first_epoch = False

    @contextmanager
    def stopped(self, device: torch.device) -> Iterator[None]:
        """Time within is not counted."""
        was_running = self._started is not None
        self._stop(device)
        yield
        if was_running:
            self._started = now(device)

    def _start_if_warm(self, module: L.LightningModule) -> None:
        if self._calls >= self._warm_at:
            self._started = now(module.device)

    def _stop(self, device: torch.device) -> None:
        if self._started is not None:
            self.seconds += now(device) - self._started
            self._started = None
