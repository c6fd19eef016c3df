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

SPLITS = ("train", "test")
TENSORS = tuple(f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels"))

# `TENSORS` by name: uint8 images (N, C, H, W) and int64 labels (N,); perhaps the files' `format`.
# In the cache also the `digest` of the tensors.
Decoded = dict[str, Any]


def load_or_decode(
    source: Path, key: str, data_dir: Path, decode: Callable[[], Decoded]
) -> Decoded:
    """Read the decoded `source` from its cache, or call `decode` and cache the result.

    The cache lies beside `source`, or in `data_dir` if that folder cannot be written. `key` is a
    hash of the source's content.
    """
    name = f"{source.name}.{key[:16]}.pt"
    folders = (source.parent, data_dir)
    for folder in folders:
        if (decoded := _read(folder / name)) is not None:
            return decoded
    print(f"decoding {source} (once) ...", file=sys.stderr, flush=True)
    decoded = decode()
    decoded["digest"] = digest(decoded)
    for folder in folders:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".decode-", dir=folder) as scratch:
                torch.save(decoded, Path(scratch) / name)
                os.replace(Path(scratch) / name, folder / name)
            break
    return decoded


def digest(decoded: Decoded) -> str:
    """SHA-256 of the pixels and labels."""
    content = hashlib.sha256()
    for name in TENSORS:
        content.update(decoded[name].numpy().tobytes())
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
