"""The one LightningModule around every classification net."""

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
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from lit_models.freezing import train_mode
from lit_models.train_scores import TrainScores

Batch = tuple[Tensor, Tensor]

# Labels of a micro-batch and, detached, its logits, losses and part of the batch's loss
MicroBatch = tuple[Tensor, Tensor, Tensor, Tensor]


def forward_loss(net: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, the cross-entropy of each label (nats), and the training loss.

    The training loss is the mean cross-entropy. A net with auxiliary classifiers returns a tuple in
    train mode, its own logits first; their mean losses are added, each times the net's
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
    """Run the forward and backward pass of a batch, split into micro-batches.

    Gradients and loss parts add up to those of the whole batch, but batch statistics, as of batch
    normalisation, are those of the micro-batch. A rest of one example joins the micro-batch before,
    because batch normalisation cannot train on one.
    """
    sizes = _sizes(len(labels), micro_batch_size or len(labels))
    for some_images, some_labels in zip(images.split(sizes), labels.split(sizes), strict=True):
        logits, losses, loss = forward_loss(net, some_images, some_labels)
        if len(some_labels) < len(labels):
            loss = loss * (len(some_labels) / len(labels))
        backward(loss)
        yield some_labels, logits.detach(), losses.detach(), loss.detach()


def _sizes(count: int, size: int) -> list[int]:
    """Sizes of the micro-batches of a batch, which may be empty, as a rank's slice of one is."""
    if count <= size:
        return [count]
    whole, rest = divmod(count, size)
    return [size] * (whole - 1) + [size + 1] if rest == 1 else [size] * whole + [rest] * (rest > 0)


class LitClassifier(L.LightningModule):
    """Trains a net that returns logits with cross-entropy (see `forward_loss`).

    `history` gets one entry per epoch: loss (nats) and accuracy of the training examples, each
    counted once, from the training steps' own outputs. Testing logs `test_accuracy` and fills
    `predictions`: for each batch, the predicted classes and the softmax of each.

    The module steps the optimizer itself (manual optimization). This saves much of the Trainer
    loop's overhead for small nets and permits micro-batches.

    Args:
        net: maps images (N, C, H, W) to logits (N, num_classes).
        num_classes: number of classes.
        optimizer: makes the optimizer from the parameters.
        scheduler: makes the schedule from the optimizer, stepped every batch, or returns None.
        clip_norm: largest norm of the gradient over all parameters; None: no clipping.
        micro_batch_size: examples per forward pass; gradients accumulate over the batch. None: the
            whole batch.
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler | None],
        *,
        clip_norm: float | None = None,
        micro_batch_size: int | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = net
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.clip_norm, self.micro_batch_size = clip_norm, micro_batch_size
        self.train_scores = TrainScores()
        # Validating the arguments would synchronise the device at every step.
        test_accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.test_metrics = MetricCollection({"test_accuracy": test_accuracy}, compute_groups=False)
        self.history: list[dict[str, float]] = []
        self.predictions: list[tuple[Tensor, Tensor]] = []

    def __setattr__(self, name: str, value: object) -> None:
        # The Trainer sets this attribute for every hook, tens of times a step. nn.Module's method
        # is slow: it checks whether the value is a parameter, a module or a buffer.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def train(self, mode: bool = True) -> "LitClassifier":
        super().train(mode)
        if mode:
            train_mode(self.net)
        return self

    def configure_optimizers(self) -> dict:
        optimizer = self.make_optimizer(self.parameters())
        scheduler = self.make_scheduler(optimizer)
        return {"optimizer": optimizer} | ({"lr_scheduler": scheduler} if scheduler else {})

    def training_step(
        self, batch: Batch | Iterator[Batch], batch_index: int
    ) -> dict[str, list[Tensor]]:
        """Train on a batch, or on each batch of an iterator, which share the Trainer's overhead.

        Returns:
            `losses`: the loss of each batch.
        """
        batches = batch if isinstance(batch, Iterator) else [batch]
        # No name refers to a batch while the next is made, so its memory can be reused.
        return {"losses": list(starmap(self._step, batches))}

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        optimizer.zero_grad()
        loss_parts = []
        # Lightning's backward synchronises gradients between ranks, but runs four more hooks.
        backward = self.manual_backward if self.trainer.world_size > 1 else Tensor.backward
        passes = backpropagate(self.net, images, labels, self.micro_batch_size, backward)
        for some_labels, logits, losses, loss in passes:
            self.train_scores.update(some_labels, logits, losses)
            loss_parts.append(loss)
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.clip_norm)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        loss = reduce(torch.add, loss_parts)
        # The mean loss of an empty slice is NaN.
        return loss if len(labels) else torch.zeros_like(loss)

    def on_train_epoch_end(self) -> None:
        scores = {name: float(score) for name, score in self.train_scores.compute().items()}
        self.train_scores.reset()
        self.history.append({"epoch": self.current_epoch + 1, **scores})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history[:] = checkpoint["history"]

    def on_test_epoch_start(self) -> None:
        self.predictions.clear()

    def test_step(self, batch: Batch, batch_index: int) -> None:
        images, labels = batch
        if len(labels):
            logits = self(images)
            self.test_metrics.update(logits, labels)
            self.keep_predictions(logits, labels)

    def keep_predictions(self, logits: Tensor, labels: Tensor) -> None:
        confidence, predicted = logits.float().softmax(1).max(1)
        self.predictions.append((predicted, confidence))

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.test_metrics.compute())
