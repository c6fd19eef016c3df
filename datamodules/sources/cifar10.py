"""CIFAR-10: A. Krizhevsky, 2009; 50,000 + 10,000 colour images of 32 px in ten classes.

`CIFAR10_IMAGES` may name a folder or archive of image files to read. Otherwise torchvision reads
the official archive or its unpacked folder. The decoded images are cached (see `cache.py`).
"""

import os
import sys
import tarfile
import tempfile
import zlib
from functools import partial
from pathlib import Path

import torch

from datamodules.dataset import DataError, ImageDataset
from datamodules.sources import cache, image_folder
from datamodules.sources.files import content_key, printable
from datamodules.sources.network import giving_up

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
FULL_SIZE = (50_000, 10_000)
ARCHIVE, ARCHIVE_MD5 = "cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"
MAX_UNPACKED = 2**28  # bytes; CIFAR-10 has 186 million
FOLDER = "cifar-10-batches-py"
IMAGES_VARIABLE = "CIFAR10_IMAGES"


def load(data_dir: Path) -> ImageDataset:
    """Find, verify and decode CIFAR-10; fetch the official archive if needed.

    Raises:
        DataError: a file is absent, truncated or corrupt.
    """
    if images := os.environ.get(IMAGES_VARIABLE):
        path = Path(images).expanduser()
        decode = partial(image_folder.decode, path, CLASSES, size=32)
        key = f"CIFAR-10 {content_key(path)}"
        decoded = cache.load_or_decode(printable(path.name), key, data_dir, decode)
        sizes = (len(decoded["train_labels"]), len(decoded["test_labels"]))
        source = decoded["format"] + ("" if sizes == FULL_SIZE else ", {:,} + {:,}".format(*sizes))
    else:
        _provide_official(data_dir)
        decode = partial(_decode_official, data_dir)
        decoded = cache.load_or_decode(ARCHIVE, ARCHIVE_MD5, data_dir, decode)
        source = "official"
    return ImageDataset(
        name="cifar10",
        source=f"CIFAR-10 ({source})",
        digest=decoded["digest"],
        classes=CLASSES,
        mean=MEAN,
        std=STD,
        **{name: decoded[name] for name in cache.TENSORS},
    )


def _decode_official(data_dir: Path) -> cache.Decoded:
    from torchvision.datasets import CIFAR10

    decoded = {}
    for split in cache.SPLITS:
        try:
            data = CIFAR10(data_dir, train=split == "train")
        except (RuntimeError, OSError, EOFError):
            folder = data_dir / FOLDER
            raise DataError(f"{folder} is damaged; delete it to unpack the data again") from None
        decoded[f"{split}_images"] = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        decoded[f"{split}_labels"] = torch.tensor(data.targets)
    return decoded


def _provide_official(data_dir: Path) -> None:
    """Unpack the official archive, after downloading it if needed."""
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
                with giving_up():
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
    """Unpack plain files and folders into `folder`.

    Raises:
        DataError: a link, a path that leads outside `folder`, or more bytes than CIFAR-10 has.
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
