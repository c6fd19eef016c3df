"""Loaders, which make batches on the training device."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from datamodules.examples import ResidentExamples, StreamedExamples
from datamodules.transforms import crop, cutout, flip, resize

Batch = tuple[Tensor, Tensor]

SUBSET, EPOCH = 1, 2  # purposes of random numbers, so that no two share a stream


def generator(*seeds: int) -> torch.Generator:
    """A CPU generator seeded by a hash of all the numbers."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(seeds).generate_state(1)[0]))


class DeviceLoader:
    """Batches of examples, made on the training device.

    `state_dict` counts the batches served in the current epoch; after `load_state_dict` the next
    epoch starts behind them; Lightning's checkpoints use both. `rank_slice` selects the part of
    every batch that is served to this rank, by default all of it.

    Args:
        examples: the images and their labels; masks are resized and augmented with their images.
        batch_size: examples a batch; the last batch may be smaller. A rest of one example joins the
            batch before if the examples are shuffled, because BatchNorm cannot train on one.
        prepare: converts uint8 images to the float images that a net takes.
        shuffle_seed: called at the start of each epoch; determines the order and augmentation of
            the epoch's examples. None: order and examples stay as they are.
        augmentation: any of `flip`, `crop` and `cutout`; needs a `shuffle_seed`.
    """

    def __init__(
        self,
        examples: ResidentExamples | StreamedExamples,
        *,
        batch_size: int,
        prepare: Callable[[Tensor], Tensor],
        memory_format: torch.memory_format = torch.contiguous_format,
        shuffle_seed: Callable[[], tuple[int, ...]] | None = None,
        augmentation: tuple[str, ...] = (),
    ) -> None:
        self.examples, self.labels = examples, examples.labels
        self.batch_size, self.prepare, self.memory_format = batch_size, prepare, memory_format
        self.shuffle_seed, self.augmentation = shuffle_seed, augmentation
        self.rank_slice = slice(None)
        self._served = self._skipped = 0

    def state_dict(self) -> dict[str, int]:
        return {"batches": self._served % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._skipped = state["batches"]

    def global_size(self, index: int) -> int:
        """Examples of an epoch's batch number `index` over all ranks."""
        return self._end(index) - index * self.batch_size

    def _end(self, index: int) -> int:
        """Number of the first example behind batch number `index`."""
        is_last = index == len(self) - 1
        return len(self.labels) if is_last else (index + 1) * self.batch_size

    def served_indices(self) -> Tensor:
        """Which examples an epoch serves to this rank, in order, if it is not shuffled."""
        batches = torch.arange(len(self.labels)).split(self.batch_size)
        return torch.cat([batch[self.rank_slice] for batch in batches])

    def __len__(self) -> int:
        whole, rest = divmod(len(self.labels), self.batch_size)
        joins = rest == 1 and whole > 0 and self.shuffle_seed is not None
        return whole + (rest > 0 and not joins)

    def __iter__(self) -> Iterator[Batch]:
        count, device = len(self.labels), self.examples.device
        if self.shuffle_seed is None:
            order = torch.arange(count)
        else:
            # Drawn on the CPU, so that all devices see the same examples; drawn for a whole epoch,
            # so that no step waits for a transfer.
            random = generator(EPOCH, *self.shuffle_seed())
            order = torch.randperm(count, generator=random)
            flips = (torch.rand(count, generator=random) < 0.5).to(device)
            shifts = (torch.rand(count, 2, generator=random) * 2 - 1).to(device)
            holes = torch.rand(count, 2, generator=random).to(device)

        def augment(images: Tensor, chosen: Tensor) -> Tensor:
            if "flip" in self.augmentation:
                images = flip(images, flips[chosen])
            if "crop" in self.augmentation:
                images = crop(images, shifts[chosen])
            if "cutout" in self.augmentation and images.is_floating_point():
                images = cutout(images, holes[chosen])  # masks keep their classes
            return images

        self._served, self._skipped = self._skipped, 0
        order = order.to(self.examples.order_device)
        parts = (
            order[index * self.batch_size : self._end(index)][self.rank_slice]
            for index in range(self._served, len(self))
        )
        with closing(self.examples.batches(parts)) as batches:
            for chosen, images, labels in batches:
                images = self.prepare(images)
                if labels.dim() > 1:
                    labels = resize(labels, images.shape[-1])
                    labels = augment(labels[:, None], chosen)[:, 0].long()
                images = augment(images, chosen)
                self._served += 1
                yield images.contiguous(memory_format=self.memory_format), labels


class BatchGroups:
    """Groups of `size` batches of a loader, fewer at the end; each batch is made when taken."""

    def __init__(self, loader: DeviceLoader, size: int) -> None:
        self.loader, self.size = loader, size

    def state_dict(self) -> dict[str, int]:
        return self.loader.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.loader.load_state_dict(state)

    def global_size(self, index: int) -> int:
        """Examples of an epoch's group number `index` over all ranks."""
        group = range(index * self.size, min((index + 1) * self.size, len(self.loader)))
        return sum(map(self.loader.global_size, group))

    def __len__(self) -> int:
        return -(-len(self.loader) // self.size)

    def __iter__(self) -> Iterator[Iterator[Batch]]:
        batches, skipped = iter(self.loader), self.loader._skipped // self.size
        for _ in range(skipped, len(self)):
            yield islice(batches, self.size)
