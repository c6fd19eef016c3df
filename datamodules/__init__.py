"""Datasets: found, verified, decoded once, and served in batches from the training device.

`DeviceResidentDataModule` lives in `datamodules.image_data`, which alone imports lightning.
"""

from datamodules import cifar10, fashion_mnist
from datamodules.dataset import DataError, ImageDataset

DATASETS = {"fashion_mnist": fashion_mnist.load, "cifar10": cifar10.load}

__all__ = ["DATASETS", "DataError", "ImageDataset"]
