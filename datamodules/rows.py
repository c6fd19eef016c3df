"""Examples in host memory or in a file, of which chosen ones are read."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datamodules.dataset import DataError


class TensorRows:
    """The rows of a tensor in host memory, perhaps mapped from a file."""

    def __init__(self, tensor: Tensor) -> None:
        self.shape = tuple(tensor.shape)
        self._array = tensor.numpy()

    def read(self, numbers: Tensor, into: Tensor) -> None:
        """Copy the rows with these numbers, int64 (n,), into a tensor (n, ...) in host memory.

        NumPy releases the interpreter and takes one thread, so that a step runs meanwhile.
        """
        np.take(self._array, numbers.numpy(), axis=0, out=into.numpy(), mode="clip")


class FileRows:
    """Rows of bytes in a file. They are read, not mapped: mapped pages would count as memory used.

    Args:
        path: of the file.
        shape: number of rows and their shape.
        first: number of the row in the file that is row 0.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], first: int = 0) -> None:
        self.path, self.shape, self._first = path, tuple(shape), first
        self._row_bytes = int(np.prod(shape[1:]))
        self._file = path.open("rb", buffering=0)

    def read(self, numbers: Tensor, into: Tensor) -> None:
        """Read the rows with these numbers, int64 (n,), into a tensor (n, ...) in host memory.

        Raises:
            DataError: the file is shorter.
        """
        for number, row in zip(numbers.tolist(), into.numpy(), strict=True):
            offset = (self._first + number) * self._row_bytes
            if os.preadv(self._file.fileno(), [row], offset) != self._row_bytes:
                raise DataError(f"{self.path} is truncated; delete it to decode the images again")

    def __iter__(self) -> Iterator[np.ndarray]:
        row = torch.empty(1, *self.shape[1:], dtype=torch.uint8)
        for number in range(self.shape[0]):
            self.read(torch.tensor([number]), row)
            yield row[0].numpy()


Rows = TensorRows | FileRows
