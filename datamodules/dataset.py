"""The type of a dataset: decoded images and labels in memory, and their provenance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


CLASSIFICATION, SEGMENTATION = "classification", "segmentation"

FITS = ("crop", "pad", "stretch")  # how an image becomes square; see `sources.pixels.decode`


class DataError(RuntimeError):
    """Absent, truncated or corrupt data; the message names the file and a remedy."""


def safe_name(name: str) -> str:
    """A name as part of a file's name, on any system."""
    return re.sub(r"[^\w.-]+", "-", name)[:80].strip("-.") or "images"


@dataclass(frozen=True)
class DatasetRequest:
    """A dataset, and how images of one's own are decoded; a dataset of the suite needs a name only.

    Args:
        name: one of `datamodules.NAMES`, or the path of a folder or archive of images.
        image_size: height and width in pixels of the decoded images.
        fit: one of `FITS`.
        skip_damaged: leave files out that cannot be read.
        key: of the cache of decoded images, once they were; while it exists, no image is read.
    """

    name: str
    image_size: int = 224
    fit: str = "crop"
    skip_damaged: bool = False
    key: str = ""

    @property
    def path(self) -> Path:
        """The folder or archive."""
        return Path(self.name).expanduser().absolute()


@dataclass(frozen=True)
class ImageFiles:
    """What is known of the image files that a dataset was decoded from."""

    key: str  # see `DatasetRequest`
    formats: dict[str, int]  # number of images by format
    sizes: dict[tuple[int, int], int]  # number of images by (width, height)
    skipped: tuple[str, ...]  # files that could not be read, and why
    notes: tuple[str, ...]  # what is odd, though it can be trained on


@dataclass(frozen=True)
class ImageDataset:
    """A decoded dataset of labelled images.

    Images are uint8 (N, C, H, W) with H = W. Labels for classification are int64 (N,). Labels for
    segmentation are masks, uint8 (N, H, W), with a class a pixel. `mean` and `std` hold a value a
    channel, over the training pixels scaled to [0, 1]. `source` says where the data were found.
    Datasets with equal `digest` have equal examples. If the images do not lie in memory, they are
    mapped from `images_file`, which holds the training images and then the test images.
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
    files: ImageFiles | None = None
    images_file: Path | None = None

    @property
    def channels(self) -> int:
        return self.train_images.shape[1]

    @property
    def task(self) -> str:
        """`CLASSIFICATION` or `SEGMENTATION`."""
        return CLASSIFICATION if self.train_labels.dim() == 1 else SEGMENTATION
