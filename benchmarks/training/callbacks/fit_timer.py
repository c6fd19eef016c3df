"""Seconds of the whole training, over all processes that had a part in it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch


class FitTimer(L.Callback):
    """Counts the seconds of the fit, those of earlier processes included, without checkpoints."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        return self._seconds + (0.0 if self._since is None else time.monotonic() - self._since)

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            self._since = time.monotonic()

    def on_fit_end(self, *_: Any) -> None:
        self._seconds, self._since = self.seconds, None

    @contextmanager
    def stopped(self, device: torch.device) -> Iterator[None]:
        """Time within is not counted."""
        self._seconds, self._since = self.seconds, None
        yield
        self._since = time.monotonic()

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self._seconds = state_dict["seconds"]
