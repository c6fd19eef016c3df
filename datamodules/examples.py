"""Examples on the training device, or outside it and copied there ahead of their use."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

from datamodules.rows import Rows

AHEAD = 3  # batches that are gathered and copied before they are used

# Numbers of the examples, images as uint8, and labels, all on the device
Gathered = tuple[Tensor, Tensor, Tensor]

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


class ResidentExamples:
    """Examples in the memory of the training device, where batches are gathered.

    Args:
        images: uint8 (N, C, H, W).
        labels: int64 (N,), or masks, uint8 (N, H, W); on the device of the images.
        memory_format: layout in which the images are stored, that of the batches, which avoids a
            conversion of each batch.
    """

    def __init__(self, images: Tensor, labels: Tensor, memory_format: torch.memory_format) -> None:
        self.labels, self.device = labels, labels.device
        self.order_device = self.device
        self._is_channels_last = memory_format == torch.channels_last
        rows = images.permute(0, 2, 3, 1) if self._is_channels_last else images
        self._rows = rows.contiguous()

    def batches(self, parts: Iterable[Tensor]) -> Generator[Gathered, None, None]:
        """Gather a batch of each part, numbers of examples on `order_device`."""
        for chosen in parts:  # nothing here holds a batch while it is used
            yield chosen, self._images(chosen), self.labels.index_select(0, chosen)

    def _images(self, chosen: Tensor) -> Tensor:
        images = self._rows.index_select(0, chosen)
        return images.permute(0, 3, 1, 2) if self._is_channels_last else images


class StreamedExamples:
    """Examples in host memory or on disk. A thread gathers batches and copies them to the device.

    Args:
        images: where the images lie.
        numbers: which of them the examples are, int64 (N,).
        labels: of the examples, int64 (N,), or masks, uint8 (N, H, W); in host memory.
        device: of the training.
        memory_format: layout of the batches.
    """

    def __init__(
        self,
        images: Rows,
        numbers: Tensor,
        labels: Tensor,
        *,
        device: torch.device,
        memory_format: torch.memory_format,
    ) -> None:
        self.labels, self.device = labels, device
        self.order_device = torch.device("cpu")
        self._images, self._numbers, self._memory_format = images, numbers, memory_format
        self._is_cuda = device.type == "cuda"
        # Copies on a stream of their own run beside the steps.
        self._stream = torch.cuda.Stream(device) if self._is_cuda else None

    def batches(self, parts: Iterable[Tensor]) -> Generator[Gathered, None, None]:
        """Gather a batch of each part, numbers of examples on `order_device`."""
        for batch in ahead(self._gather, parts):
            if self._is_cuda:
                for tensor in batch:  # its memory is not reused before the step has read it
                    tensor.record_stream(torch.cuda.current_stream(self.device))
            yield batch

    def _gather(self, chosen: Tensor) -> Gathered:
        shape = (len(chosen), *self._images.shape[1:])
        images = torch.empty(shape, dtype=torch.uint8, pin_memory=self._is_cuda)
        self._images.read(self._numbers[chosen], images)
        batch = chosen, images, self.labels[chosen]
        if self._stream is None:
            return self._on_device(batch)
        with torch.cuda.stream(self._stream):
            moved = self._on_device(batch)
        self._stream.synchronize()  # blocks this thread alone
        return moved

    def _on_device(self, batch: Gathered) -> Gathered:
        chosen, images, labels = (t.to(self.device, non_blocking=self._is_cuda) for t in batch)
        return chosen, images.contiguous(memory_format=self._memory_format), labels


def ahead(
    make: Callable[[_Item], _Made], items: Iterable[_Item], count: int = AHEAD
) -> Generator[_Made, None, None]:
    """Yield `make(item)` of each item in order; a thread makes up to `count` of them ahead.

    What `make` raises is raised here. The thread has ended when the generator has: after the last
    item, after an exception here or there, or when it is closed.
    """
    items = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        made = deque(thread.submit(make, item) for item in islice(items, count))
        try:
            while made:
                result = made.popleft().result()
                made.extend(thread.submit(make, item) for item in islice(items, 1))
                yield result
        finally:
            for future in made:
                future.cancel()
