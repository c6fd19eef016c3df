"""Decoded training and test examples, cached in a file whose name holds a key of the source."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from datamodules.dataset import safe_name

SPLITS = ("train", "test")
TENSORS = tuple(f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels"))
VERSION = 1  # to be raised if the same files are decoded to other pixels

# `TENSORS` by name: uint8 images (N, C, H, W) and int64 labels (N,); perhaps what is known of the
# files, such as their `format`. In the cache also the `digest` of the tensors.
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
    with suppress(OSError):
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".decode-", dir=data_dir) as scratch:
            part = Path(scratch) / "part"
            torch.save(decoded, part)
            os.replace(part, path)
        return _read(path) or decoded  # mapped: the decoded copy is freed
    return decoded


def find(name: str, key: str, data_dir: Path) -> Decoded | None:
    """Read a decoded dataset from its cache, if that exists and is whole."""
    return _read(_path(name, key, data_dir))


def _path(name: str, key: str, data_dir: Path) -> Path:
    key = hashlib.sha256(f"{VERSION} {key}".encode()).hexdigest()
    return data_dir / f"{safe_name(name)}.{key[:16]}.pt"


def digest(decoded: Decoded) -> str:
    """SHA-256 of the pixels and labels."""
    content = hashlib.sha256()
    for name in TENSORS:
        content.update(decoded[name].numpy())
    return content.hexdigest()


def _read(path: Path) -> Decoded | None:
    """Read a cache file if it exists; quarantine and name a damaged file."""
    if not path.is_file():
        return None
    try:
        decoded = torch.load(path, weights_only=True, mmap=True)
        if digest(decoded) == decoded["digest"]:
            return decoded
        reason = "its digest differs"
    except Exception as error:  # depends on where the damage lies
        reason = type(error).__name__
    print(f"{path} is damaged ({reason}), quarantined", file=sys.stderr, flush=True)
    with suppress(OSError):
        path.replace(path.with_name(f"{path.name}.damaged"))
    return None
