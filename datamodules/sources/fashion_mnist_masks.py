"""Fashion-MNIST with masks: each pixel is background (0) or of the garment's class (1 to 10).

The masks are computed from the images. Background pixels are 0, apart from faint specks along the
outline, so pixels above a 16th of the maximum are garment. Dark pixels that brighter ones enclose
become garment too. These include openings: that under a bag's handle, those between a sandal's
straps.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from datamodules.dataset import ImageDataset
from datamodules.sources import fashion_mnist

CLASSES = ("background", *fashion_mnist.CLASSES)
BRIGHTEST_BACKGROUND = 16

# Horizontal and vertical neighbours; the first axis keeps images apart.
_NEIGHBOURS = ndimage.generate_binary_structure(2, 1)[None]


def load(data_dir: Path) -> ImageDataset:
    """Load Fashion-MNIST by `fashion_mnist.load`, with its errors, and make its masks."""
    images = fashion_mnist.load(data_dir)
    train_masks = masks(images.train_images, images.train_labels)
    test_masks = masks(images.test_images, images.test_labels)
    digest = hashlib.sha256(images.digest.encode())
    for made in (train_masks, test_masks):
        digest.update(made.numpy())
    return replace(
        images,
        name="fashion_mnist_masks",
        source=f"{images.source}, masks made from the images",
        digest=digest.hexdigest(),
        classes=CLASSES,
        train_labels=train_masks,
        test_labels=test_masks,
    )


def masks(images: Tensor, labels: Tensor) -> Tensor:
    """Make masks, uint8 (N, H, W), of images (N, 1, H, W) of the given classes (N,)."""
    bright = images[:, 0].numpy() > BRIGHTEST_BACKGROUND
    garments = ndimage.binary_fill_holes(bright, _NEIGHBOURS)
    return torch.from_numpy(garments.astype(np.uint8)) * (1 + labels.byte()).view(-1, 1, 1)
