"""SIGTERM as a request to save and stop."""

import signal
from typing import Any

import lightning as L


class StoppedError(Exception):
    """SIGTERM stopped the process, and the training is saved up to the last step."""


class StopSignal(L.Callback):
    """Notes a SIGTERM that arrives during the training.

    Args:
        is_caught: whether SIGTERM is noted; False: it ends the process.
    """

    def __init__(self, is_caught: bool) -> None:
        self.is_caught = is_caught
        self.received = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.is_caught:
            self._handler = signal.signal(signal.SIGTERM, self._on_signal)

    def on_train_end(self, *_: Any) -> None:
        if self.is_caught:
            signal.signal(signal.SIGTERM, self._handler)

    def _on_signal(self, number: int, frame: object) -> None:
        self.received = True
