"""Image files `train/<class>/*.png` and `test/<class>/*.png` in a folder or archive."""

import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from datamodules.dataset import DataError
from datamodules.sources.cache import SPLITS, Decoded

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
MAX_BYTES = 2**20  # of one image file


def content_key(path: Path) -> str:
    """A hash of an archive's bytes, or of the names, sizes and times of a folder's image files.

    Raises:
        DataError: the path does not exist or cannot be read.
    """
    try:
        if path.is_dir():
            files = sorted(filter(_is_image, path.rglob("*")))
            entries = ((str(p.relative_to(path)), p.stat()) for p in files)
            listing = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in entries]
            return hashlib.sha256("\n".join(listing).encode()).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def decode(path: Path, classes: tuple[str, ...], size: int) -> Decoded:
    """Decode every image in a folder, tar or zip archive to RGB, in order of name.

    Raises:
        DataError: a damaged archive or image, an image of another size, an unknown class, or an
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
            raise DataError(f"{path}: {name} is in no known class; known: {', '.join(classes)}")
        pixels = _pixels(content, f"{path}: {name}", size)
        images[split].append((name, pixels, classes.index(label)))
        formats.add(SUFFIXES[PurePosixPath(name).suffix.lower()])
    decoded: Decoded = {"format": " and ".join(sorted(formats))}
    for split, found in images.items():
        if not found:
            raise DataError(f"{path} holds no {split}/<class>/*.png or *.jpg")
        found.sort(key=lambda image: image[0])
        pixels = torch.from_numpy(np.stack([image[1] for image in found]))
        decoded[f"{split}_images"] = pixels.permute(0, 3, 1, 2).contiguous()
        decoded[f"{split}_labels"] = torch.tensor([image[2] for image in found])
    return decoded


def _is_image(path: str | Path) -> bool:
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def _pixels(content: bytes, name: str, size: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.verify()  # checks the checksums, which decoding ignores
        with Image.open(io.BytesIO(content)) as image:
            if image.size != (size, size):
                width, height = image.size
                raise DataError(f"{name} is {width} x {height} px, not {size} x {size}")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise DataError(f"{name} is not a readable image") from None


def _read(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the image files; archives are not unpacked to disk."""

    def check(name: str, size: int) -> None:
        if size > MAX_BYTES:
            raise DataError(f"{path}: {name} has {size:,} bytes; the limit is {MAX_BYTES:,}")

    try:
        if path.is_dir():
            for file in filter(_is_image, path.rglob("*")):
                check(str(file), file.stat().st_size)
                yield file.relative_to(path).as_posix(), file.read_bytes()
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    if _is_image(entry.filename):
                        check(entry.filename, entry.file_size)
                        yield entry.filename, archive.read(entry)
        else:
            with tarfile.open(path, "r|*") as tar:
                for member in tar:
                    if member.isfile() and _is_image(member.name):
                        check(member.name, member.size)
                        if content := tar.extractfile(member):
                            yield member.name, content.read()
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise DataError(f"{path} is truncated or not an archive of images ({error})") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from None
