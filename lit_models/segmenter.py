"""The one LightningModule around every net for dense prediction."""

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics.classification import MulticlassJaccardIndex

from lit_models.classifier import LitClassifier


class LitSegmenter(LitClassifier):
    """Trains a net that returns the logits of every pixel: a classifier of pixels.

    Loss and accuracies are means over pixels. Testing also logs `test_mean_iou`: of each class,
    intersection over union of its predicted and its true pixels in the whole test set, not image by
    image; then the mean over the classes, background included, those left out that are neither
    there nor predicted.

    Args:
        net: maps images (N, C, H, W) to logits (N, num_classes, H, W); labels are (N, H, W).
        num_classes: number of classes, background included.
        optimizer: as of `LitClassifier`.
        scheduler, clip_norm, micro_batch_size: as of `LitClassifier`.
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
        super().__init__(net, num_classes, optimizer, scheduler, clip_norm, micro_batch_size)
        mean_iou = MulticlassJaccardIndex(num_classes, average="macro", validate_args=False)
        self.test_metrics.add_metrics({"test_mean_iou": mean_iou})
