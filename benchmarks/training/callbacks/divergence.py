"""Ends a run whose loss is no longer finite, though no step waits for the device."""

import math
import time
from typing import Any

import lightning as L
import torch
from torch import Tensor

SECONDS = 1.0  # between two checks of the losses


class DivergedError(ArithmeticError):
    """The training loss, or a weight, is no longer finite; the message names the step."""


class DivergenceWatch(L.Callback):
    """Keeps the loss of every step on the device, and reads them back about once a second.

    Raises:
        DivergedError: a loss is not finite, or, at the end of an epoch, a weight.
    """

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._checked_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        self._losses += outputs["losses"]
        if time.monotonic() - self._checked_at >= SECONDS:
            self.check(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.check(trainer)
        if not torch.stack([weight.isfinite().all() for weight in module.parameters()]).all():
            raise DivergedError(f"a weight is not finite after step {trainer.global_step}")

    def check(self, trainer: L.Trainer) -> None:
        """Wait for the steps so far, and read their losses."""
        losses, self._losses = self._losses, []
        if losses:
            values = torch.stack(losses).cpu()
            for number, value in enumerate(values.tolist(), trainer.global_step - len(values) + 1):
                if not math.isfinite(value):
                    epoch = trainer.current_epoch + 1
                    raise DivergedError(f"the loss became {value} at step {number}, epoch {epoch}")
        self._checked_at = time.monotonic()
