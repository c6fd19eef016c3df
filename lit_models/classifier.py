"""The one LightningModule around every classification net."""

from collections.abc import Callable, Iterable

import lightning as L
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy


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


class LitClassifier(L.LightningModule):
    """Trains a net that returns logits with cross-entropy (see `forward_loss`).

    `history` gets an entry an epoch: the loss (nats) and accuracy of its training examples, each
    counted once, in train mode, as they were trained on. Testing logs `test_accuracy`.

    Args:
        net: maps images (N, C, H, W) to logits (N, num_classes).
        num_classes: number of classes.
        optimizer: makes the optimizer of the parameters.
        scheduler: makes the schedule, stepped every batch, from optimizer and number of steps.
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer, int], LRScheduler],
    ) -> None:
        super().__init__()
        self.net = net
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        # Their checks of the values would wait for the device at every step.
        self.train_loss = MeanMetric(nan_strategy="disable")
        self.train_accuracy, test_accuracy = (
            MulticlassAccuracy(num_classes, average="micro", validate_args=False) for _ in range(2)
        )
        self.test_metrics = MetricCollection({"test_accuracy": test_accuracy}, compute_groups=False)
        self.history: list[dict[str, float]] = []

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def configure_optimizers(self) -> dict:
        optimizer = self.make_optimizer(self.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = self.make_scheduler(optimizer, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        images, labels = batch
        logits, losses, loss = forward_loss(self.net, images, labels)
        if len(labels):  # one process of several may be left without an example
            self.train_loss.update(losses.detach())  # example by example: batches differ in size
            self.train_accuracy.update(logits.detach(), labels)
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        # Lightning's refuses fused optimizers in mixed precision; that matters to float16 alone.
        if gradient_clip_val is not None:
            nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def on_train_epoch_end(self) -> None:
        loss, accuracy = float(self.train_loss.compute()), float(self.train_accuracy.compute())
        self.train_loss.reset()
        self.train_accuracy.reset()
        self.history.append(
            {"epoch": self.current_epoch + 1, "loss": loss, "train_accuracy": accuracy}
        )

    def test_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        images, labels = batch
        if len(labels):
            self.test_metrics.update(self(images), labels)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.test_metrics.compute())
