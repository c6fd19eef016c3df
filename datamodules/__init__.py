"""Datasets, which are found, verified, decoded and served in batches on the training device.

`datamodules.datamodule.ImageDataModule` serves the batches. Importing the package imports
neither torch nor lightning.
"""

import os
from importlib import import_module
from pathlib import Path

from datamodules.dataset import (
    CLASSIFICATION,
    FITS,
    SEGMENTATION,
    DataError,
    DatasetRequest,
    ImageDataset,
    safe_name,
)

# The task of each dataset, available before the dataset is loaded.
TASKS = {
    "fashion_mnist": CLASSIFICATION,
    "cifar10": CLASSIFICATION,
    "fashion_mnist_masks": SEGMENTATION,
}
NAMES = tuple(TASKS)

# Folders of results that belong to no dataset, and suffixes of archives
_RESERVED = {*NAMES, "models", "reference", "studies"}
_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

__all__ = [
    "CLASSIFICATION",
    "FITS",
    "NAMES",
    "SEGMENTATION",
    "TASKS",
    "DataError",
    "DatasetRequest",
    "ImageDataset",
    "folder_name",
    "is_path",
    "load",
    "task",
]


def is_path(dataset: str) -> bool:
    """Whether this means a folder or archive of images, which may be missing, and not a name."""
    if dataset in NAMES:
        return False
    has_separator = os.sep in dataset or "/" in dataset or dataset.startswith("~")
    path = Path(dataset)
    return has_separator or bool(path.suffix) or (bool(dataset) and path.exists())


def task(dataset: str) -> str:
    """The task of a dataset of the suite, or of a folder or archive: classification."""
    return CLASSIFICATION if is_path(dataset) else TASKS[dataset]


def folder_name(dataset: str) -> str:
    """The name of a dataset in records and as a folder of results.

    That of images of one's own is the name of their folder or archive, made fit for file systems,
    with a suffix if it would otherwise be that of a dataset of the suite.
    """
    if not is_path(dataset):
        return dataset
    name = Path(dataset).expanduser().resolve().name
    suffix = max((s for s in _SUFFIXES if name.casefold().endswith(s)), key=len, default="")
    name = safe_name(name[: len(name) - len(suffix)])
    return f"{name}-images" if name.casefold() in _RESERVED else name


def load(dataset: str | DatasetRequest, data_dir: Path) -> ImageDataset:
    """Find, verify and decode a dataset; fetch one of `NAMES` into `data_dir` if needed.

    Raises:
        DataError: the data are absent, truncated or corrupt.
    """
    request = DatasetRequest(dataset) if isinstance(dataset, str) else dataset
    if is_path(request.name):
        return import_module(f"{__name__}.sources.own_images").load(request, data_dir)
    return import_module(f"{__name__}.sources.{request.name}").load(data_dir)
