"""SIGTERM as a request to save and stop."""

import signal
from typing import Any

import lightning as L


class StoppedError(Exception):
    """SIGTERM stopped the process, and the training is saved up to the last step."""


class StopSignal(L.Callback):
    """Notes a SIGTERM that arrives during the training."""

    received = False

    def on_train_start(self, *_: Any) -> None:
        self._handler = signal.signal(signal.SIGTERM, self._on_signal)

    def on_train_end(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, self._handler)

    def _on_signal(self, number: int, frame: object) -> None:
        self.received = True
