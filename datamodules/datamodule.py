"""Batches served from the training device, where the whole dataset lives as uint8."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules.dataset import ImageDataset

Batch = tuple[Tensor, Tensor]

SUBSET, EPOCH = 1, 2  # what random numbers are for, so that no two purposes share them

# Up to this size, examples are resized once and kept; larger ones are resized batch by batch.
CACHED_BYTES = 2**30
CHUNK = 512  # examples resized at once for the cache


class DeviceResidentDataModule(L.LightningDataModule):
    """Serves (images, labels) batches that never leave the device on which they are trained.

    Images come as float32 (N, C, image_size, image_size), labels as int64 (N,), or, for
    segmentation, (N, image_size, image_size). `train_batches` are those of an epoch; the Trainer
    gets them `group_size` at a time, by default one by one (see `BatchGroups`).

    Args:
        dataset: the decoded examples.
        device: where they shall live.
        image_size: height and width in pixels to which a batch is resized.
        batch_size: examples a batch; the last one may be smaller.
        seed: with the epoch, determines order and augmentation of the training examples.
        train_examples: size of the training subset, the same for every seed; None: all.
        validation_examples: training examples held out, in place of the test set.
        normalize: subtract the dataset's mean and divide by its standard deviation.
        augmentation: any of `flip`, `crop` and `cutout`, for training examples.
        memory_format: layout of the images.

    Raises:
        ValueError: more examples asked for than there are.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        device: torch.device,
        *,
        image_size: int,
        batch_size: int,
        seed: int = 0,
        train_examples: int | None = None,
        validation_examples: int = 0,
        normalize: bool = True,
        augmentation: tuple[str, ...] = (),
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__()
        self.device = device
        # One fixed order for all, so that every run trains on, and holds out, the same examples.
        order = torch.randperm(len(dataset.train_labels), generator=_generator(SUBSET))
        if train_examples is None:
            train_examples = len(order) - validation_examples
        if not 0 < train_examples <= len(order) - validation_examples:
            raise ValueError(
                f"{train_examples:,} training and {validation_examples:,} validation examples "
                f"asked for; {dataset.name} has {len(order):,}"
            )
        held_out, chosen = order[:validation_examples], order[validation_examples:][:train_examples]
        images, labels = dataset.train_images, dataset.train_labels
        if validation_examples:
            evaluation = images[held_out], labels[held_out]
        else:
            evaluation = dataset.test_images, dataset.test_labels

        # (x / 255 - mean) / std as one multiplication and one addition
        mean = torch.tensor(dataset.mean if normalize else [0.0] * dataset.channels)
        std = torch.tensor(dataset.std if normalize else [1.0] * dataset.channels)
        scale = (1 / (255 * std)).view(1, -1, 1, 1).to(device)
        shift = (-mean / std).view(1, -1, 1, 1).to(device)

        def prepare(images: Tensor) -> Tensor:
            images = resize(images, image_size).float().mul_(scale)
            return images.add_(shift) if normalize else images

        def loader(examples: Batch, **kwargs) -> DeviceLoader:
            images, labels = (tensor.to(device) for tensor in examples)
            if images[:, :, 0, 0].numel() * image_size**2 <= CACHED_BYTES:
                images, labels = (
                    torch.cat([resize(some, image_size) for some in tensor.split(CHUNK)])
                    for tensor in (images, labels)
                )
            return DeviceLoader(images, labels, batch_size, prepare, memory_format, **kwargs)

        def epoch() -> int:
            return 0 if self.trainer is None else self.trainer.current_epoch

        self.train_batches = loader(
            (images[chosen], labels[chosen]),
            shuffle_seed=lambda: (seed, epoch()),
            augmentation=augmentation,
        )
        # Made when it is first wanted: the training need not wait for it, nor share the memory.
        self._evaluation = cache(lambda: loader(evaluation))
        self.group_size = 1

    def train_dataloader(self) -> "DeviceLoader | BatchGroups":
        if self.group_size == 1:
            return self.train_batches
        return BatchGroups(self.train_batches, self.group_size)

    def test_dataloader(self) -> "DeviceLoader":
        evaluation = self._evaluation()
        evaluation.share = self.train_batches.share
        return evaluation

    def share(self, chosen: slice) -> None:
        """From now on serve, of every batch, these examples alone; others are served elsewhere."""
        self.train_batches.share = chosen

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, index: int) -> Batch:
        return batch  # it was made there


class DeviceLoader:
    """Batches of resident examples, made on their device.

    `state_dict` says how many batches of an epoch were served; after `load_state_dict` the next
    epoch begins behind them. `share` is the part of every batch that is served, by default all.

    Args:
        images: uint8 (N, C, H, W).
        labels: int64 (N,), or masks, uint8 (N, H, W), resized and augmented together with their
            images; on the same device.
        batch_size: examples a batch; the last one may be smaller.
        prepare: uint8 images to the float images a net takes.
        memory_format: layout of the images.
        shuffle_seed: asked at the start of an epoch, determines the order and augmentation of its
            examples; None keeps the examples as they are.
        augmentation: any of `flip`, `crop` and `cutout`.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        prepare: Callable[[Tensor], Tensor],
        memory_format: torch.memory_format = torch.contiguous_format,
        shuffle_seed: Callable[[], tuple[int, ...]] | None = None,
        augmentation: tuple[str, ...] = (),
    ) -> None:
        self.labels = labels
        # Rows of the layout in which they are wanted: a batch is then gathered in one piece.
        self._is_channels_last = memory_format == torch.channels_last
        self._rows = images.permute(0, 2, 3, 1) if self._is_channels_last else images
        self._rows = self._rows.contiguous()
        self.batch_size = batch_size
        self.prepare = prepare
        self.memory_format = memory_format
        self.shuffle_seed = shuffle_seed
        self.augmentation = augmentation
        self.share = slice(None)
        self._served = self._skipped = 0

    def state_dict(self) -> dict[str, int]:
        return {"batches": self._served % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._skipped = state["batches"]

    def global_size(self, index: int) -> int:
        """Examples of a batch, by its number in the epoch, whatever the share that is served."""
        return min(self.batch_size, len(self.labels) - index * self.batch_size)

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        count, device = len(self.labels), self.labels.device
        if self.shuffle_seed is None:
            order = torch.arange(count, device=device)
        else:
            # Drawn on the CPU, so that every device sees the same examples, an epoch at a time,
            # so that no step waits for a transfer.
            generator = _generator(EPOCH, *self.shuffle_seed())
            order = torch.randperm(count, generator=generator).to(device)
            flips = (torch.rand(count, generator=generator) < 0.5).to(device)
            shifts = (torch.rand(count, 2, generator=generator) * 2 - 1).to(device)
            holes = torch.rand(count, 2, generator=generator).to(device)

        def augment(images: Tensor, chosen: Tensor) -> Tensor:
            if "flip" in self.augmentation:
                images = flip(images, flips[chosen])
            if "crop" in self.augmentation:
                images = crop(images, shifts[chosen])
            if "cutout" in self.augmentation and images.is_floating_point():
                images = cutout(images, holes[chosen])  # a mask keeps what it says
            return images

        self._served, self._skipped = self._skipped, 0
        for start in range(self._served * self.batch_size, count, self.batch_size):
            chosen = order[start : start + self.batch_size][self.share]
            images = self._rows.index_select(0, chosen)
            images = self.prepare(images.permute(0, 3, 1, 2) if self._is_channels_last else images)
            labels = self.labels.index_select(0, chosen)
            if labels.dim() > 1:
                labels = resize(labels, images.shape[-1])
                labels = augment(labels[:, None], chosen)[:, 0].long()
            images = augment(images, chosen)
            self._served += 1
            yield images.contiguous(memory_format=self.memory_format), labels


class BatchGroups:
    """The batches of a loader, several at a time, each made when it is taken.

    Args:
        loader: the batches.
        size: how many make a group; the last one of an epoch may be smaller.
    """

    def __init__(self, loader: DeviceLoader, size: int) -> None:
        self.loader, self.size = loader, size

    def state_dict(self) -> dict[str, int]:
        return self.loader.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.loader.load_state_dict(state)

    def global_size(self, index: int) -> int:
        """Examples of a group, by its number in the epoch."""
        group = range(index * self.size, min((index + 1) * self.size, len(self.loader)))
        return sum(map(self.loader.global_size, group))

    def __len__(self) -> int:
        return -(-len(self.loader) // self.size)

    def __iter__(self) -> Iterator[Iterator[Batch]]:
        batches, skipped = iter(self.loader), self.loader._skipped // self.size
        for _ in range(skipped, len(self)):
            yield islice(batches, self.size)


def resize(examples: Tensor, size: int) -> Tensor:
    """Examples at another height and width in pixels.

    Images, uint8 (N, C, H, W), are interpolated, and rounded as image files would be; of masks,
    uint8 (N, H, W), each pixel becomes what the nearest was; labels (N,) stay.
    """
    if examples.dim() == 1 or examples.shape[-1] == size:
        return examples
    if examples.dim() == 3:
        return F.interpolate(examples[:, None], (size, size), mode="nearest-exact")[:, 0]
    shrinks = size < examples.shape[-1]
    images = F.interpolate(examples.float(), (size, size), mode="bilinear", antialias=shrinks)
    return images.round_().to(torch.uint8)


def flip(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen images (N, C, H, W) left to right; `chosen` is bool (N,)."""
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)


def crop(images: Tensor, shifts: Tensor) -> Tensor:
    """Crop each image (N, C, H, W) out of itself padded with zeros by an eighth on each side.

    `shifts` (N, 2) in [-1, 1) says where, down and right; 0 is the image itself.
    """
    count, _, height, width = images.shape
    pad = height // 8
    offsets = ((shifts + 1) / 2 * (2 * pad + 1)).long()  # (N, 2), each from 0 to 2 pad
    padded = F.pad(images, (pad, pad, pad, pad))
    rows = offsets[:, 0, None] + torch.arange(height, device=images.device)  # (N, H)
    columns = offsets[:, 1, None] + torch.arange(width, device=images.device)  # (N, W)
    examples = torch.arange(count, device=images.device)
    # Indices apart on both sides of the channels put these last: (N, H, W, C)
    cropped = padded[examples[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return cropped.permute(0, 3, 1, 2)


def cutout(images: Tensor, holes: Tensor) -> Tensor:
    """Set a square of each image (N, C, H, W) to zero (DeVries & Taylor, 2017).

    Its side is half the image's, as in the paper for CIFAR-10; its centre, `holes` (N, 2) in
    [0, 1), down and right, may lie anywhere, so that a part may fall outside.
    """
    height, width = images.shape[-2:]
    rows = (torch.arange(height, device=images.device) - holes[:, :1] * height).abs()  # (N, H)
    columns = (torch.arange(width, device=images.device) - holes[:, 1:] * width).abs()  # (N, W)
    is_cut = (rows < height / 4)[:, :, None] & (columns < width / 4)[:, None, :]
    return images.masked_fill(is_cut[:, None], 0.0)


def _generator(*seeds: int) -> torch.Generator:
    """A CPU generator seeded by all of the numbers, mixed."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(seeds).generate_state(1)[0]))
