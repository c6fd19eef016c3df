"""CIFAR-10: A. Krizhevsky, 2009; 50,000 + 10,000 colour images of 32 px in ten classes.

Read from the official archive or its unpacked folder by torchvision, or, where `CIFAR10_IMAGES`
names a folder or archive of image files, from those. Decoded once and cached beside the source.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from datamodules import image_files
from datamodules.dataset import DataError, ImageDataset

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
FULL_SIZE = (50_000, 10_000)
ARCHIVE, ARCHIVE_MD5 = "cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"
FOLDER = "cifar-10-batches-py"
IMAGES_VARIABLE = "CIFAR10_IMAGES"


def load(data_dir: Path) -> ImageDataset:
    """Find, verify and decode CIFAR-10; the official archive is fetched if need be.

    Raises:
        DataError: a file is absent, truncated or corrupt.
    """
    if images := os.environ.get(IMAGES_VARIABLE):
        path = Path(images)
        key = image_files.content_key(path)
        splits = _cached(path, key, data_dir, lambda: _decode_images(path))
        sizes = (len(splits["train_labels"]), len(splits["test_labels"]))
        source = splits["format"] + ("" if sizes == FULL_SIZE else ", {:,} + {:,}".format(*sizes))
    else:
        _provide_official(data_dir)
        splits = _cached(
            data_dir / ARCHIVE, ARCHIVE_MD5, data_dir, lambda: _decode_official(data_dir)
        )
        source = "official"
    return ImageDataset(
        name="cifar10",
        source=f"CIFAR-10 ({source})",
        digest=splits["digest"],
        classes=CLASSES,
        train_images=splits["train_images"],
        train_labels=splits["train_labels"],
        test_images=splits["test_images"],
        test_labels=splits["test_labels"],
        mean=MEAN,
        std=STD,
    )


def _cached(source: Path, key: str, data_dir: Path, decode: Callable[[], dict]) -> dict:
    """What `decode` returns, from a file beside `source` that bears its content's key."""
    name = f"{source.name}.{key[:16]}.pt"
    places = (source.parent, data_dir)
    for place in places:
        try:
            return torch.load(place / name, weights_only=True, mmap=True)
        except (OSError, RuntimeError, EOFError, ValueError):
            continue  # absent, or damaged: decode anew
    print(f"decoding {source} (once) ...", file=sys.stderr, flush=True)
    splits = decode()
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".decode-", dir=place) as scratch:
                torch.save(splits, Path(scratch) / name)
                os.replace(Path(scratch) / name, place / name)
            break
        except OSError:
            continue  # a source may lie where nothing can be written
    return splits


def _digest(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _decode_images(path: Path) -> dict:
    decoded = image_files.decode(path, CLASSES, size=32)
    tensors = decoded.tensors
    return {"format": decoded.format, "digest": _digest(*tensors.values()), **tensors}


def _decode_official(data_dir: Path) -> dict:
    from torchvision.datasets import CIFAR10

    tensors = {}
    for split in ("train", "test"):
        try:
            data = CIFAR10(data_dir, train=split == "train")
        except (RuntimeError, OSError, EOFError):
            folder = data_dir / FOLDER
            raise DataError(f"{folder} is damaged; delete it to unpack the data anew") from None
        tensors[f"{split}_images"] = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        tensors[f"{split}_labels"] = torch.tensor(data.targets)
    return {"digest": _digest(*tensors.values()), **tensors}


def _provide_official(data_dir: Path) -> None:
    """See to it that the official folder is there, from the archive or from its publisher."""
    if (data_dir / FOLDER).is_dir():
        return
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity, extract_archive

    archive = data_dir / ARCHIVE
    if archive.exists() and not check_integrity(archive, ARCHIVE_MD5):
        raise DataError(f"{archive} is truncated or corrupt (its MD5 differs); delete it")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=data_dir) as scratch:
            if archive.exists():
                extract_archive(archive, scratch)
            else:
                print("fetching CIFAR-10 ...", file=sys.stderr, flush=True)
                CIFAR10(scratch, download=True)
                os.replace(Path(scratch) / ARCHIVE, archive)
            os.replace(Path(scratch) / FOLDER, data_dir / FOLDER)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 is not in {data_dir} and could not be fetched ({error}); put {ARCHIVE} "
            f"there, or set {IMAGES_VARIABLE} to a folder or archive train/<class>/*.png"
        ) from None
