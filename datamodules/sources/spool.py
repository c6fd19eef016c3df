"""Pixels of decoded images: in memory up to a limit, beyond it in a temporary file."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from datamodules import memory
from datamodules.dataset import DataError
from datamodules.sources import pixels

MAX_IN_MEMORY = 2**30  # bytes of the pixels, which decoding holds in memory twice
MEMORY_SHARE = 0.8  # of the available memory, that two copies of the pixels may take


@dataclass(frozen=True)
class Kept:
    """An image in a spool."""

    format: str  # of the file
    size: tuple[int, int]  # width and height in the file
    channels: int
    start: int  # of its pixels in the spool


class Spool:
    """Keeps images in order of arrival, for tensors in another order.

    Args:
        source: of the images, for messages.
        size: height and width of the images.
        folder: for what exceeds the limit; None: everything is kept in memory.
    """

    def __init__(self, source: Path, size: int, folder: Path | None) -> None:
        self._source, self.size, self._folder = source, size, folder
        self.nbytes = self._limit = 0  # no limit
        if folder is not None:
            self._limit = min(MAX_IN_MEMORY, int(memory.SHARE * memory.host_memory()))
        place = None if folder is None else str(folder)
        self._file = tempfile.SpooledTemporaryFile(self._limit, dir=place)  # noqa: SIM115

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def is_large(self) -> bool:
        """Whether the images lie in a file."""
        return 0 < self._limit < self.nbytes

    def keep(self, image: pixels.Decoded) -> Kept:
        """Keep an image.

        Raises:
            DataError: neither memory nor the folder has room for it.
        """
        channels = 1 if image.pixels.ndim == 2 else 3
        planes = image.pixels.reshape(self.size, self.size, channels).transpose(2, 0, 1)
        start = self.nbytes
        self.nbytes += planes.nbytes
        if self._folder is None:
            self._check_memory()
        try:
            self._file.write(planes.tobytes())
        except OSError as error:
            raise self._no_room(error) from None
        return Kept(image.format, image.size, channels, start)

    def tensor(self, images: Iterable[Kept], channels: int) -> Tensor:
        """The images, uint8 (N, channels, size, size), in memory."""
        images = list(images)
        made: np.ndarray = np.empty((len(images), channels, self.size, self.size), np.uint8)
        for row, image in zip(made, images, strict=True):
            row[:] = self._planes(image)
        return torch.from_numpy(made)

    def write(self, images: Iterable[Kept], channels: int) -> Path:
        """Write the images, as `tensor` has them, to a new file in the folder.

        Raises:
            DataError: the folder cannot be written.
        """
        assert self._folder is not None
        shape, path = (channels, self.size, self.size), self._folder / "images"
        try:
            with path.open("wb") as file:
                for image in images:
                    file.write(np.broadcast_to(self._planes(image), shape).tobytes())
        except OSError as error:
            raise self._no_room(error) from None
        return path

    def _planes(self, image: Kept) -> np.ndarray:
        self._file.seek(image.start)
        content = self._file.read(image.channels * self.size**2)
        return np.frombuffer(content, np.uint8).reshape(-1, self.size, self.size)

    def _no_room(self, error: OSError) -> DataError:
        assert self._folder is not None
        return DataError(
            f"the images of {self._source}, {self.nbytes / 2**30:.1f} GiB or more once decoded, "
            f"cannot be kept in {self._folder.parent} ({error.strerror}); use another data_dir, a "
            "smaller image_size, or fewer images"
        )

    def _check_memory(self) -> None:
        available = psutil.virtual_memory().available + self.nbytes
        available = min(available, memory.host_memory())
        if 2 * self.nbytes > MEMORY_SHARE * available:
            raise DataError(
                f"the images of {self._source}, {self.nbytes / 2**30:.1f} GiB or more once "
                f"decoded, do not fit in memory ({available / 2**30:.1f} GiB); use a smaller "
                "image_size, or fewer images"
            )
