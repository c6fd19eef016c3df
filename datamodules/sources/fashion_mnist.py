"""Fashion-MNIST: H. Xiao, K. Rasul, R. Vollgraf, 2017; 60,000 + 10,000 grey images of 28 px.

Places searched, in order: the data folder; the folder of Debian's package; torchvision's mirror;
Debian's archive, by `apt-get download`, which does not need root.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datamodules.dataset import DataError, ImageDataset
from datamodules.sources.network import STALLED_SECONDS, giving_up

# SHA-256 of the decompressed files, which does not depend on their compression
FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
MAX_BYTES = 2**26  # of a decompressed file; the largest has 47 million
CLASSES = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
MEAN, STD = (0.2860,), (0.3530,)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
DEBIAN_PACKAGE = "dataset-fashion-mnist"


def load(data_dir: Path) -> ImageDataset:
    """Find, verify and decode Fashion-MNIST; fetch it into `data_dir` if needed.

    Raises:
        DataError: a file is corrupt, or the dataset is neither found nor fetched.
    """
    folder, source = data_dir / "FashionMNIST" / "raw", "data folder"  # torchvision's layout
    if not _present(folder):
        if _present(DEBIAN_FOLDER):
            folder, source = DEBIAN_FOLDER, f"Debian package {DEBIAN_PACKAGE}"
        else:
            _fetch(folder)
    with ThreadPoolExecutor() as pool:
        contents = dict(zip(FILES, pool.map(partial(_read, folder), FILES), strict=True))
    return ImageDataset(
        name="fashion_mnist",
        source=f"Fashion-MNIST ({source})",
        digest=hashlib.sha256("".join(FILES.values()).encode()).hexdigest(),
        classes=CLASSES,
        train_images=_images(contents["train-images-idx3-ubyte"]),
        train_labels=_labels(contents["train-labels-idx1-ubyte"]),
        test_images=_images(contents["t10k-images-idx3-ubyte"]),
        test_labels=_labels(contents["t10k-labels-idx1-ubyte"]),
        mean=MEAN,
        std=STD,
    )


def _file(folder: Path, name: str) -> Path | None:
    """The path of a file, compressed or not, if it exists."""
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _present(folder: Path) -> bool:
    return any(_file(folder, name) for name in FILES)


def _read(folder: Path, name: str) -> bytes:
    """The decompressed and verified content of a file."""
    path = _file(folder, name)
    if path is None:
        raise DataError(f"{folder / name}.gz is missing; {_remedy(folder)}")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); {_remedy(folder)}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != FILES[name]:
        raise DataError(
            f"{path} is not Fashion-MNIST's file (its SHA-256 differs); {_remedy(folder)}"
        )
    return content


def _remedy(folder: Path) -> str:
    if folder == DEBIAN_FOLDER:
        return f"reinstall the package {DEBIAN_PACKAGE}"
    return f"delete the folder {folder} to fetch the data again"


def _images(content: bytes) -> Tensor:
    pixels = np.frombuffer(content, np.uint8, offset=16)  # header: magic, count, rows, columns
    return torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy())


def _labels(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=8).astype(np.int64))


def _fetch(folder: Path) -> None:
    """Download the four files beside `folder`, verify them, then move them into `folder`."""
    reasons = []
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix=".download-", dir=folder.parent)
    except OSError as error:
        raise DataError(f"{folder.parent} cannot be written: {error.strerror}") from None
    with temporary as name:
        scratch = Path(name).resolve()
        for origin, download in (("torchvision", _from_torchvision), ("Debian", _from_debian)):
            print(f"fetching Fashion-MNIST from {origin} ...", file=sys.stderr, flush=True)
            try:
                found = download(scratch)
                for file in FILES:  # stored decompressed, so that no run decompresses them
                    (scratch / file).write_bytes(_read(found, file))
            except (OSError, RuntimeError, EOFError, subprocess.SubprocessError) as error:
                reasons.append(f"{origin}: {' '.join(str(error).split())}")
            else:
                folder.mkdir(exist_ok=True)
                for file in FILES:
                    os.replace(scratch / file, folder / file)
                return
    raise DataError(
        f"Fashion-MNIST is neither in {folder} nor in {DEBIAN_FOLDER} and could not be fetched "
        f"({'; '.join(reasons)}); put its four .gz files into {folder}"
    )


def _from_torchvision(scratch: Path) -> Path:
    from torchvision.datasets import FashionMNIST

    with giving_up():
        FashionMNIST(scratch, download=True)  # verifies the MD5 of each file
    return scratch / "FashionMNIST" / "raw"


def _from_debian(scratch: Path) -> Path:
    apt = shutil.which("apt-get")
    if apt is None or shutil.which("dpkg-deb") is None:
        raise DataError("no apt-get on this system")
    # Own package lists and cache: these need neither root nor an earlier `apt-get update`.
    (scratch / "lists" / "partial").mkdir(parents=True)
    (scratch / "cache" / "archives" / "partial").mkdir(parents=True)
    folders = {"Dir::State::Lists": scratch / "lists", "Dir::Cache": scratch / "cache"}
    options = [f"-o{name}={folder}" for name, folder in folders.items()]
    options += [f"-oAcquire::{kind}::Timeout={STALLED_SECONDS:.0f}" for kind in ("http", "https")]
    options += ["-oAcquire::Retries=0"]
    for command in (["update"], ["download", DEBIAN_PACKAGE]):
        _run([apt, *options, *command], cwd=scratch)
    package = next(scratch.glob("*.deb"))
    _run(["dpkg-deb", "-x", package, scratch / "unpacked"], cwd=scratch)
    return scratch / "unpacked" / DEBIAN_FOLDER.relative_to("/")


def _run(command: list[str | Path], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise DataError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()}")
