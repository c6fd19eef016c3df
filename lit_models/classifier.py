"""The one LightningModule around every classification net."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import starmap
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

Batch = tuple[Tensor, Tensor]

# Of a micro-batch its labels and, detached, logits, losses and share of the loss of the batch.
MicroBatch = tuple[Tensor, Tensor, Tensor, Tensor]


def forward_loss(net: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, the cross-entropy of each label (nats), and the loss to learn from.

    The last is the mean of the second, unless the net has auxiliary classifiers: such a net returns
    in train mode a tuple, its logits and then theirs, and names the weight of each of their losses
    `auxiliary_weight`.
    """
    outputs = net(images)
    logits, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
    losses = F.cross_entropy(logits, labels, reduction="none")
    loss = losses.mean()
    for others in auxiliary:
        loss = loss + net.auxiliary_weight * F.cross_entropy(others, labels)
    return logits, losses, loss


def backpropagate(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    micro_batch_size: int | None = None,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> Iterator[MicroBatch]:
    """The forward and backward pass of a batch, cut into micro-batches that share its gradient.

    The gradients add up to that of the whole batch; only what a net computes over its batch, as
    batch normalisation does, is of the micro-batch. Losses and loss are those of `forward_loss`.
    """
    size = micro_batch_size or max(1, len(labels))  # several devices may leave one with none
    for some_images, some_labels in zip(images.split(size), labels.split(size), strict=True):
        logits, losses, loss = forward_loss(net, some_images, some_labels)
        if len(some_labels) < len(labels):
            loss = loss * (len(some_labels) / len(labels))
        backward(loss)
        yield some_labels, logits.detach(), losses.detach(), loss.detach()


class TrainScores(Metric):
    """Mean loss and accuracy over labels, each counted once; adds up without reading back.

    What small batches bring is kept until it is worth a computation, in memory of its own: a small
    tensor of every step would lie amid the large ones of the next, so that the heap grows.
    """

    KEPT = 8192  # labels

    def __init__(self) -> None:
        super().__init__()
        self.add_state("loss", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("correct", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self._kept: tuple[Tensor, ...] = ()
        self._filled = 0

    def update(self, labels: Tensor, logits: Tensor, losses: Tensor) -> None:
        new, size = (labels, logits, losses), len(labels)
        room = self.KEPT // math.prod(labels.shape[1:])
        if self._filled + size > room:
            self._add_kept()
        if size > room:
            self._add(*new)
            return
        if not self._kept:
            self._kept = tuple(tensor.new_empty(room, *tensor.shape[1:]) for tensor in new)
        for kept, tensor in zip(self._kept, new, strict=True):
            kept[self._filled : self._filled + size] = tensor
        self._filled += size

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Comes before `compute`, and on several devices adds up their states."""
        self._add_kept()
        super().sync(*args, **kwargs)

    def compute(self) -> dict[str, Tensor]:
        return {"loss": self.loss / self.count, "train_accuracy": self.correct / self.count}

    def reset(self) -> None:
        super().reset()
        self._kept, self._filled = (), 0

    def get_extra_state(self) -> list[Tensor]:
        """What is kept, for a checkpoint: added up by then, the sum would be rounded otherwise."""
        return [kept[: self._filled].clone() for kept in self._kept]

    def set_extra_state(self, kept: list[Tensor]) -> None:
        self._filled = 0
        if kept:
            self.update(*kept)

    def _add_kept(self) -> None:
        if self._filled:
            self._add(*(kept[: self._filled] for kept in self._kept))
            self._filled = 0

    def _add(self, labels: Tensor, logits: Tensor, losses: Tensor) -> None:
        self.loss.add_(losses.sum(dtype=torch.float32))
        self.correct.add_((logits.argmax(1) == labels).sum())
        self.count.add_(labels.numel())


class LitClassifier(L.LightningModule):
    """Trains a net that returns logits with cross-entropy (see `forward_loss`).

    `history` gets an entry an epoch: the loss (nats) and accuracy of its training examples, each
    counted once, in train mode, as they were trained on. Testing logs `test_accuracy`.

    The optimizer is stepped here, not by Lightning: that spares small nets a good part of what the
    Trainer's loop costs them, and lets a batch come in micro-batches.

    Args:
        net: maps images (N, C, H, W) to logits (N, num_classes).
        num_classes: number of classes.
        optimizer: makes the optimizer of the parameters.
        scheduler: makes the schedule, stepped every batch, of the optimizer, or None.
        clip_norm: largest norm of the gradient over all parameters; None: not clipped.
        micro_batch_size: examples that go through the net at once, the gradients of a batch added
            up; None: the whole batch.
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler | None],
        clip_norm: float | None = None,
        micro_batch_size: int | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = net
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.clip_norm, self.micro_batch_size = clip_norm, micro_batch_size
        self.train_scores = TrainScores()
        # Its checks of the values would wait for the device at every step.
        test_accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.test_metrics = MetricCollection({"test_accuracy": test_accuracy}, compute_groups=False)
        self.history: list[dict[str, float]] = []

    def __setattr__(self, name: str, value: object) -> None:
        # The Trainer notes every hook it calls here, tens of times a step, which torch.nn's own
        # method makes slow: it asks of each value whether it is a parameter.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def configure_optimizers(self) -> dict:
        optimizer = self.make_optimizer(self.parameters())
        scheduler = self.make_scheduler(optimizer)
        return {"optimizer": optimizer} | ({"lr_scheduler": scheduler} if scheduler else {})

    def training_step(
        self, batch: Batch | Iterator[Batch], batch_index: int
    ) -> dict[str, list[Tensor]]:
        """A step for the batch, or for each of several, for which the Trainer takes time but once.

        Returns:
            The loss of each, by the name `losses`.
        """
        batches = batch if isinstance(batch, Iterator) else [batch]
        # No name here holds a batch while the next is made, so that it can take the same memory.
        return {"losses": list(starmap(self._step, batches))}

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        optimizer.zero_grad()
        shares = []
        # Lightning's exchanges gradients between devices, and costs four rounds of its hooks.
        backward = self.manual_backward if self.trainer.world_size > 1 else Tensor.backward
        passes = backpropagate(self.net, images, labels, self.micro_batch_size, backward)
        for some_labels, logits, losses, loss in passes:
            self.train_scores.update(some_labels, logits, losses)
            shares.append(loss)
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.clip_norm)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        loss = reduce(torch.add, shares)
        # The mean over the share of a device that got no example is not a number.
        return loss if len(labels) else torch.zeros_like(loss)

    def on_train_epoch_end(self) -> None:
        scores = {name: float(score) for name, score in self.train_scores.compute().items()}
        self.train_scores.reset()
        self.history.append({"epoch": self.current_epoch + 1, **scores})

    def test_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        images, labels = batch
        if len(labels):
            self.test_metrics.update(self(images), labels)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.test_metrics.compute())
