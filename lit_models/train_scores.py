"""Mean loss and accuracy over the training examples of an epoch."""

import math
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class TrainScores(Metric):
    """Mean loss and accuracy over labels, each counted once, without reading values back.

    Buffers small batches and reduces them together. The buffer is preallocated: a small tensor kept
    per step would fragment the heap.
    """

    CAPACITY = 8192  # labels in the buffer

    def __init__(self) -> None:
        super().__init__()
        self.add_state("loss", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("correct", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self._buffer: tuple[Tensor, ...] = ()
        self._filled = 0

    def update(self, labels: Tensor, logits: Tensor, losses: Tensor) -> None:
        batch, size = (labels, logits, losses), len(labels)
        capacity = self.CAPACITY // math.prod(labels.shape[1:])
        if self._filled + size > capacity:
            self._flush()
        if size > capacity:
            self._add(*batch)
            return
        if not self._buffer:
            self._buffer = tuple(t.new_empty(capacity, *t.shape[1:]) for t in batch)
        for buffer, tensor in zip(self._buffer, batch, strict=True):
            buffer[self._filled : self._filled + size] = tensor
        self._filled += size

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Runs before `compute`; with several devices it adds up their states."""
        self._flush()
        super().sync(*args, **kwargs)

    def compute(self) -> dict[str, Tensor]:
        return {"loss": self.loss / self.count, "train_accuracy": self.correct / self.count}

    def reset(self) -> None:
        super().reset()
        self._buffer, self._filled = (), 0

    def get_extra_state(self) -> list[Tensor]:
        """The buffer's content, for a checkpoint. Reducing it early would change the rounding."""
        return [buffer[: self._filled].clone() for buffer in self._buffer]

    def set_extra_state(self, buffered: list[Tensor]) -> None:
        self._filled = 0
        if buffered:
            self.update(*buffered)

    def _flush(self) -> None:
        if self._filled:
            self._add(*(buffer[: self._filled] for buffer in self._buffer))
            self._filled = 0

    def _add(self, labels: Tensor, logits: Tensor, losses: Tensor) -> None:
        self.loss.add_(losses.sum(dtype=torch.float32))
        self.correct.add_((logits.argmax(1) == labels).sum())
        self.count.add_(labels.numel())
