"""What a run is doing, reported while it runs, with an estimate of the time left."""

import time
from collections.abc import Callable
from typing import Any

import lightning as L

from benchmarks.training.stage import TESTING, TRAINING, Report, Stage
from lit_models.classifier import LitClassifier

SECONDS = 1.0  # between two reports of the steps


class StageReports(L.Callback):
    """Reports the training about once a second, and keeps the time a step takes.

    Each report has the history of the training, so that whoever reads it can show curves: nothing
    is logged in the process that is timed.

    The first call of a process is not measured: it allocates memory and chooses kernels.

    Args:
        steps: of the whole training.
        report: called with each `Stage`.
        seconds_after: estimates the seconds after the training from those of a training step.
    """

    def __init__(self, steps: int, report: Report, seconds_after: Callable[[float], float]) -> None:
        self._steps, self._report, self._seconds_after = steps, report, seconds_after
        self._first: tuple[float, int] | None = None  # the end of the first call: time and step
        self._reported_at = 0.0
        self.seconds_a_step: float | None = None

    def on_train_start(self, trainer: L.Trainer, module: LitClassifier) -> None:
        done = trainer.global_step / self._steps
        self._report(Stage(TRAINING, done=done, history=tuple(module.history)))

    def on_train_batch_end(self, trainer: L.Trainer, module: LitClassifier, *_: Any) -> None:
        now, step = time.monotonic(), trainer.global_step
        if self._first is None:
            self._first, self._reported_at = (now, step), now
        elif now - self._reported_at >= SECONDS:
            self._reported_at = now
            self._measure(now, step)
            left = self._seconds_left(self._steps - step)
            history = tuple(module.history)
            self._report(Stage(TRAINING, left, done=step / self._steps, history=history))

    def on_train_end(self, trainer: L.Trainer, module: LitClassifier) -> None:
        self._measure(time.monotonic(), trainer.global_step)
        history = tuple(module.history)
        self._report(Stage(TESTING, self._seconds_left(0), done=1.0, history=history))

    def _seconds_left(self, steps: int) -> float | None:
        """Until the run has its record, with so many steps of the training left."""
        if self.seconds_a_step is None:
            return None
        return self.seconds_a_step * steps + self._seconds_after(self.seconds_a_step)

    def _measure(self, now: float, step: int) -> None:
        if self._first is not None and step > self._first[1]:
            began, first = self._first
            self.seconds_a_step = (now - began) / (step - first)
