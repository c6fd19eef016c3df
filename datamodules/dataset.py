"""The type of a dataset: decoded images and labels in memory, and their provenance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


CLASSIFICATION, SEGMENTATION = "classification", "segmentation"


class DataError(RuntimeError):
    """Absent, truncated or corrupt data; the message names the file and a remedy."""


def safe_name(name: str) -> str:
    """A name as part of a file's name, on any system."""
    return re.sub(r"[^\w.-]+", "-", name)[:80].strip("-.") or "images"


@dataclass(frozen=True)
class ImageDataset:
    """A decoded dataset of labelled images.

    Images are uint8 (N, C, H, W) with H = W. Labels for classification are int64 (N,). Labels for
    segmentation are masks, uint8 (N, H, W), with a class a pixel. `mean` and `std` hold a value a
    channel, over the training pixels scaled to [0, 1]. `source` says where the data were found.
    Datasets with equal `digest` have equal examples.
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
