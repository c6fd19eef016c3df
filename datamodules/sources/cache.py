"""Decoded training and test examples, cached in a file whose name holds a key of the source.

If the images are too many to be sorted in memory, they lie in a second file.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from math import prod
from pathlib import Path
from typing import Any

import torch

from datamodules.dataset import DataError, safe_name
from datamodules.rows import FileRows

SPLITS = ("train", "test")
TENSORS = tuple(f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels"))
FILE, SHAPES = "images_file", "shapes"
VERSION = 1  # to be raised if the same files are decoded to other pixels

# `TENSORS` by name: uint8 images (N, C, H, W) and int64 labels (N,); perhaps what is known of the
# files, such as their `format`. In the cache also the `digest` of the tensors. Images that do not
# lie in memory are mapped from `FILE`, a path; the cache then has their `SHAPES` by split.
Decoded = dict[str, Any]


def load_or_decode(name: str, key: str, data_dir: Path, decode: Callable[[], Decoded]) -> Decoded:
    """Read a decoded dataset from its cache in `data_dir`, or call `decode` and cache the result.

    The tensors of a cache are mapped into memory, so that processes share them. If `data_dir`
    cannot be written, nothing is cached.

    Args:
        name: of the source, for people.
        key: a hash of the source's content, and of all that decides how it is decoded.
    """
    if (decoded := find(name, key, data_dir)) is not None:
        return decoded
    path = _path(name, key, data_dir)
    print(f"decoding {name} (once) ...", file=sys.stderr, flush=True)
    decoded = decode()
    decoded["digest"] = digest(decoded)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        _save(decoded, path)
    except OSError as error:
        if FILE not in decoded:
            return decoded
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from None
    return _read(path) or decoded  # mapped: the decoded copy is freed


@contextmanager
def scratch_folder(data_dir: Path) -> Iterator[Path | None]:
    """A folder in `data_dir` for images on their way to the cache; None if none can be made."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".decode-", dir=data_dir)
    except OSError:
        yield None
        return
    with folder as name:
        yield Path(name)


def images_in(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> Decoded:
    """The images of a file that holds those of one split after the other, mapped into memory."""
    sizes = [prod(shapes[split]) for split in SPLITS]
    pixels = torch.from_file(str(file), shared=False, size=sum(sizes), dtype=torch.uint8)
    images = zip(SPLITS, pixels.split(sizes), strict=True)
    return {f"{split}_images": own.view(shapes[split]) for split, own in images} | {FILE: file}


def train_images(decoded: Decoded) -> Iterable[Any]:
    """The training images one by one, of which a file's do not stay in memory."""
    images = decoded["train_images"]
    return FileRows(decoded[FILE], images.shape) if FILE in decoded else images


def find(name: str, key: str, data_dir: Path) -> Decoded | None:
    """Read a decoded dataset from its cache, if that exists and is whole."""
    return _read(_path(name, key, data_dir))


def _path(name: str, key: str, data_dir: Path) -> Path:
    key = hashlib.sha256(f"{VERSION} {key}".encode()).hexdigest()
    return data_dir / f"{safe_name(name)}.{key[:16]}.pt"


def _images_path(path: Path) -> Path:
    return path.with_suffix(".images")


def _save(decoded: Decoded, path: Path) -> None:
    kept = decoded
    if FILE in decoded:
        images = {f"{split}_images": split for split in SPLITS}
        kept = {name: value for name, value in decoded.items() if name not in (FILE, *images)}
        kept[SHAPES] = {split: tuple(decoded[name].shape) for name, split in images.items()}
        os.replace(decoded[FILE], _images_path(path))
        decoded[FILE] = _images_path(path)
    with tempfile.TemporaryDirectory(prefix=".decode-", dir=path.parent) as scratch:
        part = Path(scratch) / "part"
        torch.save(kept, part)
        os.replace(part, path)


def digest(decoded: Decoded) -> str:
    """SHA-256 of the pixels and labels."""
    content, file = hashlib.sha256(), decoded.get(FILE)
    with file.open("rb") if file else nullcontext() as pixels:
        for name in TENSORS:
            if pixels is None or name.endswith("labels"):
                content.update(decoded[name].numpy())
                continue
            left = decoded[name].nbytes
            while block := pixels.read(min(left, 2**20)):
                content.update(block)
                left -= len(block)
    return content.hexdigest()


def _read(path: Path) -> Decoded | None:
    """Read a cache file if it exists; quarantine and name a damaged file."""
    if not path.is_file():
        return None
    try:
        decoded = torch.load(path, weights_only=True, mmap=True)
        if SHAPES in decoded:
            decoded |= images_in(_images_path(path), decoded.pop(SHAPES))
        if digest(decoded) == decoded["digest"]:
            return decoded
        reason = "its digest differs"
    except Exception as error:  # depends on where the damage lies
        reason = type(error).__name__
    print(f"{path} is damaged ({reason}), quarantined", file=sys.stderr, flush=True)
    for damaged in (path, _images_path(path)):
        with suppress(OSError):
            damaged.replace(damaged.with_name(f"{damaged.name}.damaged"))
    return None
