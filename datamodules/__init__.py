"""Datasets, which are found, verified, decoded and served in batches from the training device.

`datamodules.datamodule.DeviceResidentDataModule` serves the batches. Importing the package imports
neither torch nor lightning.
"""

from importlib import import_module
from pathlib import Path

from datamodules.dataset import CLASSIFICATION, SEGMENTATION, DataError, ImageDataset

# The task of each dataset, available before the dataset is loaded.
TASKS = {
    "fashion_mnist": CLASSIFICATION,
    "cifar10": CLASSIFICATION,
    "fashion_mnist_masks": SEGMENTATION,
}
NAMES = tuple(TASKS)

__all__ = ["NAMES", "TASKS", "DataError", "ImageDataset", "load"]


def load(name: str, data_dir: Path) -> ImageDataset:
    """Find, verify and decode one of `NAMES`; fetch it into `data_dir` if needed.

    Raises:
        DataError: the data are absent, truncated or corrupt.
    """
    return import_module(f"{__name__}.sources.{name}").load(data_dir)
