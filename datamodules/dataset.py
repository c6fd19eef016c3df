"""What a dataset is to the suite: decoded images in memory, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


CLASSIFICATION, SEGMENTATION = "classification", "segmentation"


class DataError(RuntimeError):
    """Data that is absent, truncated or corrupt; the message names the file and what to do."""


@dataclass(frozen=True)
class ImageDataset:
    """A labelled image dataset, decoded.

    Images are uint8 (N, C, H, W) with H = W. Labels are, for classification, int64 (N,); for
    segmentation they are masks, a class a pixel, uint8 (N, H, W). `mean` and `std` are those of the
    training pixels scaled to [0, 1], a value a channel. `source` says where the data were found,
    and `digest` names their content: equal digests, equal examples.
    """

    name: str
    source: str
    digest: str
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def channels(self) -> int:
        return self.train_images.shape[1]

    @property
    def task(self) -> str:
        """`CLASSIFICATION` or `SEGMENTATION`."""
        return CLASSIFICATION if self.train_labels.dim() == 1 else SEGMENTATION
