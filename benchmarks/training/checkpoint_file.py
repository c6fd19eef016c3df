"""The checkpoint of a run as one file, verified by its hash."""

import hashlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from benchmarks.records.storage import quarantine, reason, replacing
from benchmarks.training import ddp

_DIGEST_SIZE = hashlib.sha256().digest_size

Content = dict[str, Any]


class CheckpointFile(CheckpointIO):
    """Lightning's checkpoint followed by its SHA-256, in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: Content = {}
        self._warned = False

    def find(self) -> Content | None:
        """The checkpoint, if there is one; a damaged file is named and set aside.

        Rank 0 reads for all ranks.
        """
        content = ddp.broadcast(self._read() if ddp.rank() == 0 else None)
        if content is None:
            return None
        saved = io.BytesIO(memoryview(content)[:-_DIGEST_SIZE])
        self._content = torch.load(saved, weights_only=True, map_location="cpu")
        return self._content

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> Content:
        content, self._content = self._content, {}  # frees the memory once it is loaded
        return content

    def save_checkpoint(self, checkpoint: Content, path: Any, storage_options: Any = None) -> None:
        try:
            with replacing(self.path) as part, part.open("w+b") as file:
                _write(checkpoint, file)
        except OSError as error:
            if not self._warned:
                print(
                    f"\nbenchmarks: {self.path} cannot be written: {reason(error)}; "
                    "the run goes on",
                    file=sys.stderr,
                )
            self._warned = True

    def remove_checkpoint(self, path: Any) -> None:
        self.path.unlink(missing_ok=True)

    def _read(self) -> bytes | None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            print(f"benchmarks: {self.path} cannot be read: {reason(error)}", file=sys.stderr)
            return None
        whole = memoryview(content)
        if hashlib.sha256(whole[:-_DIGEST_SIZE]).digest() != whole[-_DIGEST_SIZE:]:
            quarantine(self.path, "its checksum differs")
            return None
        return content


def _write(content: Content, file: io.BufferedRandom) -> None:
    """Write the content and its hash, without a copy of it in memory.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        torch.save(content, file)
    except RuntimeError as error:
        # PyTorch then complains of a position in the file.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").digest()
    file.seek(0, os.SEEK_END)
    file.write(digest)
