"""Datasets: found, verified, decoded once, and served in batches from the training device.

`datamodules.image_data.DeviceResidentDataModule` serves them. Importing the package imports neither
torch nor lightning.
"""

from importlib import import_module
from pathlib import Path

from datamodules.dataset import CLASSIFICATION, SEGMENTATION, DataError, ImageDataset

# What each is for, known before anything is loaded.
TASKS = {
    "fashion_mnist": CLASSIFICATION,
    "cifar10": CLASSIFICATION,
    "fashion_mnist_masks": SEGMENTATION,
}
NAMES = tuple(TASKS)

__all__ = ["NAMES", "TASKS", "DataError", "ImageDataset", "load"]


def load(name: str, data_dir: Path) -> ImageDataset:
    """Find, verify and decode one of `NAMES`, fetching it into `data_dir` if need be.

    Raises:
        DataError: data that are absent, truncated or corrupt.
    """
    return import_module(f"{__name__}.sources.{name}").load(data_dir)
