"""The one LightningModule around every net for dense prediction."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from lit_models.classifier import LitClassifier


class LitSegmenter(LitClassifier):
    """Trains a net that returns logits for every pixel.

    Loss and accuracies are means over pixels. Testing also logs `test_mean_iou`: the intersection
    over union of each class's predicted and true pixels over the whole test set (not per image),
    averaged over classes. The background counts; classes neither present nor predicted do not.
    `confusion` counts the pixels by true class (row) and predicted class (column).

    Args:
        net: maps images (N, C, H, W) to logits (N, num_classes, H, W); labels are (N, H, W).
        num_classes: number of classes, background included.
        optimizer, scheduler, options: as in `LitClassifier`.
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler | None],
        **options: Any,
    ) -> None:
        super().__init__(net, num_classes, optimizer, scheduler, **options)
        mean_iou = MulticlassJaccardIndex(num_classes, average="macro", validate_args=False)
        self.test_metrics.add_metrics({"test_mean_iou": mean_iou})
        self.confusion = MulticlassConfusionMatrix(num_classes, validate_args=False)

    def on_test_epoch_start(self) -> None:
        self.confusion.reset()

    def keep_predictions(self, logits: Tensor, labels: Tensor) -> None:
        self.confusion.update(logits, labels)
