"""Datasets: found, verified, decoded once, and served in batches from the training device.

`datamodules.image_data.DeviceResidentDataModule` serves them. Importing the package imports neither
torch nor lightning.
"""

from importlib import import_module
from pathlib import Path

from datamodules.dataset import DataError, ImageDataset

NAMES = ("fashion_mnist", "cifar10")

__all__ = ["NAMES", "DataError", "ImageDataset", "load"]


def load(name: str, data_dir: Path) -> ImageDataset:
    """Find, verify and decode one of `NAMES`, fetching it into `data_dir` if need be.

    Raises:
        DataError: data that are absent, truncated or corrupt.
    """
    return import_module(f"{__name__}.{name}").load(data_dir)
