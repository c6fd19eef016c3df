"""Image files in folders, `train/<class>/*.png` and `test/<class>/*.png`, or an archive of them."""

import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules.dataset import DataError

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
SPLITS = ("train", "test")
MAX_BYTES = 2**20  # of one image file


@dataclass(frozen=True)
class DecodedImages:
    """Both splits as uint8 images (N, 3, size, size) and int64 labels (N,), and the file format."""

    format: str
    tensors: dict[str, Tensor]


def content_key(path: Path) -> str:
    """A hash that changes with the content: of an archive's bytes, of a folder's file list.

    Raises:
        DataError: nothing there, or not readable.
    """
    try:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            entries = ((str(p.relative_to(path)), p.stat()) for p in files)
            listing = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in entries]
            return hashlib.sha256("\n".join(listing).encode()).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def decode(path: Path, classes: tuple[str, ...], size: int) -> DecodedImages:
    """Decode every image under `path`, a folder, tar or zip archive, in order of name.

    Raises:
        DataError: a damaged archive or image, an image of another size, an unknown class, an
            empty split; the message names it.
    """
    images: dict[str, list[tuple[str, np.ndarray, int]]] = {split: [] for split in SPLITS}
    formats = set()
    for name, content in _read(path):
        parts = PurePosixPath(name).parts
        if len(parts) < 3 or parts[-3] not in SPLITS:
            continue
        split, label = parts[-3:-1]
        if label not in classes:
            raise DataError(f"{path}: {name} is in no known class; those are {', '.join(classes)}")
        pixels = _pixels(content, f"{path}: {name}", size)
        images[split].append((name, pixels, classes.index(label)))
        formats.add(SUFFIXES[PurePosixPath(name).suffix.lower()])
    tensors = {}
    for split, found in images.items():
        if not found:
            raise DataError(f"{path} holds no {split}/<class>/*.png or *.jpg")
        found.sort(key=lambda image: image[0])
        pixels = torch.from_numpy(np.stack([image[1] for image in found]))
        tensors[f"{split}_images"] = pixels.permute(0, 3, 1, 2).contiguous()
        tensors[f"{split}_labels"] = torch.tensor([image[2] for image in found])
    return DecodedImages(" and ".join(sorted(formats)), tensors)


def _pixels(content: bytes, name: str, size: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.verify()  # checksums, which decoding alone does not look at
        with Image.open(io.BytesIO(content)) as image:
            if image.size != (size, size):
                width, height = image.size
                raise DataError(f"{name} is {width} x {height} px, not {size} x {size}")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise DataError(f"{name} is not a readable image") from None


def _read(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the image files; archives are read as they stand, not unpacked."""

    def check(name: str, size: int) -> None:
        if size > MAX_BYTES:
            raise DataError(f"{path}: {name} has {size:,} bytes; images have {MAX_BYTES:,} at most")

    try:
        if path.is_dir():
            for file in path.rglob("*"):
                if file.suffix.lower() in SUFFIXES:
                    check(str(file), file.stat().st_size)
                    yield file.relative_to(path).as_posix(), file.read_bytes()
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    if PurePosixPath(member.filename).suffix.lower() in SUFFIXES:
                        check(member.filename, member.file_size)
                        yield member.filename, archive.read(member)
        else:
            with tarfile.open(path, "r|*") as archive:
                for member in archive:
                    if member.isfile() and PurePosixPath(member.name).suffix.lower() in SUFFIXES:
                        check(member.name, member.size)
                        yield member.name, archive.extractfile(member).read()
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise DataError(f"{path} is truncated or not an archive of images ({error})") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from None
