"""The accuracy on the way: measured at fixed points of a training, outside its clocks."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import lightning as L
import torch

from benchmarks.training import ddp
from benchmarks.training.callbacks.checkpoints import Clock
from benchmarks.training.callbacks.fit_timer import FitTimer
from benchmarks.training.callbacks.peak_memory import PeakMemory
from datamodules.datamodule import ImageDataModule
from lit_models.classifier import LitClassifier


class Evaluations(L.Callback):
    """Measures the accuracy on the evaluated examples after every so many epochs.

    The training is the same as without: the net is evaluated in eval mode and without gradients,
    and no random number is drawn. The last point is the end of the training.

    Args:
        every: epochs, or a fraction of one, rounded to whole calls of the training step.
        data: the examples.
        timer: tells the seconds of the training so far.
        memory: its peak is noted before the evaluated examples take memory.
        clocks: stand still meanwhile; `timer` is one of them.
    """

    def __init__(
        self,
        every: float,
        data: ImageDataModule,
        timer: FitTimer,
        *,
        memory: PeakMemory,
        clocks: Iterable[Clock],
    ) -> None:
        self.every, self.data, self.timer = every, data, timer
        self.memory, self.clocks = memory, list(clocks)
        self.measured: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"measured": self.measured}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.measured = state_dict["measured"]

    def on_train_batch_end(
        self, trainer: L.Trainer, module: LitClassifier, _: Any, batch: Any, batch_index: int
    ) -> None:
        calls_an_epoch = len(trainer.train_dataloader)
        call = trainer.current_epoch * calls_an_epoch + batch_index + 1
        every = max(1.0, self.every * calls_an_epoch)
        is_due = call == round(round(call / every) * every)
        if is_due or call == trainer.max_epochs * calls_an_epoch:
            self._measure(module, epoch=call / calls_an_epoch)

    def _measure(self, module: LitClassifier, epoch: float) -> None:
        self.memory.note()
        with ExitStack() as stack:
            for clock in self.clocks:
                stack.enter_context(clock.stopped(module.device))
            accuracy = self._accuracy(module)
            seconds = self.timer.seconds
        self.measured.append({"epoch": epoch, "seconds": seconds, "accuracy": accuracy})

    @torch.inference_mode()
    def _accuracy(self, module: LitClassifier) -> float:
        module.eval()
        correct, count = torch.zeros((), dtype=torch.long, device=module.device), 0
        with module.trainer.precision_plugin.test_step_context():
            for images, labels in self.data.test_dataloader():
                if len(labels):
                    correct += (module(images).argmax(1) == labels).sum()
                    count += labels.numel()
        module.train()
        return ddp.total(float(correct)) / ddp.total(count)
