"""CIFAR-10: A. Krizhevsky, 2009; 50,000 + 10,000 colour images of 32 px in ten classes.

Read from the official archive or its unpacked folder by torchvision, or, where `CIFAR10_IMAGES`
names a folder or archive of image files, from those. Decoded once and cached beside the source.
"""

import hashlib
import os
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from datamodules.dataset import DataError, ImageDataset
from datamodules.sources import image_folder

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
SPLITS = ("train", "test")
MAX_UNPACKED = 2**28  # bytes; the files are 186 million
FOLDER = "cifar-10-batches-py"
IMAGES_VARIABLE = "CIFAR10_IMAGES"


def load(data_dir: Path) -> ImageDataset:
    """Find, verify and decode CIFAR-10; the official archive is fetched if need be.

    Raises:
        DataError: a file is absent, truncated or corrupt.
    """
    if images := os.environ.get(IMAGES_VARIABLE):
        path = Path(images)
        key = image_folder.content_key(path)
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
        if (splits := _from_cache(place / name)) is not None:
            return splits
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


def _from_cache(path: Path) -> dict | None:
    """Decoded images, if they are there and whole; a damaged file is named and set aside."""
    if not path.is_file():
        return None
    try:
        splits = torch.load(path, weights_only=True, mmap=True)
        tensors = [splits[f"{split}_{kind}"] for split in SPLITS for kind in ("images", "labels")]
        if _digest(*tensors) == splits["digest"]:
            return splits
    except Exception as error:  # of many kinds, as the damage lies
        reason = type(error).__name__
    else:
        reason = "its digest differs"
    print(f"{path} is damaged ({reason}), set aside", file=sys.stderr, flush=True)
    with suppress(OSError):
        path.replace(path.with_name(f"{path.name}.damaged"))
    return None


def _digest(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _decode_images(path: Path) -> dict:
    decoded = image_folder.decode(path, CLASSES, size=32)
    tensors = decoded.tensors
    return {"format": decoded.format, "digest": _digest(*tensors.values()), **tensors}


def _decode_official(data_dir: Path) -> dict:
    from torchvision.datasets import CIFAR10

    tensors = {}
    for split in SPLITS:
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
    from torchvision.datasets.utils import check_integrity, download_url

    archive = data_dir / ARCHIVE
    if archive.exists() and not check_integrity(archive, ARCHIVE_MD5):
        raise DataError(f"{archive} is truncated or corrupt (its MD5 differs); delete it")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=data_dir) as scratch:
            if not archive.exists():
                print("fetching CIFAR-10 ...", file=sys.stderr, flush=True)
                download_url(CIFAR10.url, scratch, ARCHIVE, ARCHIVE_MD5)
                os.replace(Path(scratch) / ARCHIVE, archive)
            _unpack(archive, Path(scratch))
            os.replace(Path(scratch) / FOLDER, data_dir / FOLDER)
    except (OSError, RuntimeError, tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(
            f"CIFAR-10 is not in {data_dir} and could not be fetched ({error}); put {ARCHIVE} "
            f"there, or set {IMAGES_VARIABLE} to a folder or archive train/<class>/*.png"
        ) from None


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack plain files and folders, none of them outside of `folder`, and no more than expected.

    Raises:
        DataError: a link, a path that leads outside, or files larger than CIFAR-10's.
    """
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        if not all(member.isfile() or member.isdir() for member in members):
            raise DataError(f"{archive} holds links or devices; it is not unpacked")
        if sum(member.size for member in members) > MAX_UNPACKED:
            raise DataError(f"{archive} is larger than CIFAR-10; it is not unpacked")
        try:
            tar.extractall(folder, members, filter="data")
        except tarfile.FilterError as error:
            raise DataError(f"{archive} is not unpacked: {error}") from None
