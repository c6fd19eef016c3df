"""A LightningDataModule whose whole dataset lives on the training device as uint8."""

from functools import cache, partial

import lightning as L
import torch
from torch import Tensor

from datamodules.dataset import ImageDataset
from datamodules.loader import SUBSET, Batch, BatchGroups, DeviceLoader, generator
from datamodules.transforms import resize

# Examples are resized once if the result takes at most so many bytes, else batch by batch.
CACHED_BYTES = 2**30
CHUNK = 512  # examples resized at once for the cache


class DeviceResidentDataModule(L.LightningDataModule):
    """Serves (images, labels) batches that never leave the training device.

    Images are float32 (N, C, image_size, image_size). Labels are int64: (N,) for classification,
    (N, image_size, image_size) for segmentation. `train_batches` is the loader of the training
    batches; the Trainer gets these in groups of `group_size` (see `BatchGroups`) unless it is 1.

    Args:
        device: where the examples are kept and trained on.
        image_size: height and width in pixels to which a batch is resized.
        batch_size: examples a batch; the last batch may be smaller.
        seed: with the epoch, determines order and augmentation of the training examples.
        train_examples: size of the training subset; None: all.
        subset_seed: draws the training subset; None: it is the same for every seed.
        validation_examples: training examples held out to replace the test set.
        normalize: subtract the dataset's mean and divide by its standard deviation.
        augmentation: any of `flip`, `crop` and `cutout`, for training examples.

    Raises:
        ValueError: more examples are requested than the dataset has.
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
        subset_seed: int | None = None,
        validation_examples: int = 0,
        normalize: bool = True,
        augmentation: tuple[str, ...] = (),
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__()
        self.device, self.group_size = device, 1
        self._image_size, self._normalize = image_size, normalize
        # (x / 255 - mean) / std as one multiplication and one addition
        statistics = (dataset.mean, dataset.std) if normalize else ([0.0], [1.0])
        mean, std = map(torch.tensor, statistics)
        self._scale = (1 / (255 * std)).view(1, -1, 1, 1).to(device)
        self._shift = (-mean / std).view(1, -1, 1, 1).to(device)

        train, evaluation = _split(dataset, train_examples, validation_examples, subset_seed)
        loader = partial(
            DeviceLoader, batch_size=batch_size, prepare=self._prepare, memory_format=memory_format
        )
        self.train_batches = loader(
            *self._resident(*train),
            shuffle_seed=lambda: (seed, 0 if self.trainer is None else self.trainer.current_epoch),
            augmentation=augmentation,
        )
        # Made on first use: training neither waits for it nor shares memory with it.
        self._test_batches = cache(lambda: loader(*self._resident(*evaluation)))

    @property
    def rank_slice(self) -> slice:
        """The part of every batch that is served to this rank, by default all of it."""
        return self.train_batches.rank_slice

    @rank_slice.setter
    def rank_slice(self, chosen: slice) -> None:
        self.train_batches.rank_slice = chosen

    def train_dataloader(self) -> DeviceLoader | BatchGroups:
        batches, size = self.train_batches, self.group_size
        return batches if size == 1 else BatchGroups(batches, size)

    def test_dataloader(self) -> DeviceLoader:
        batches = self._test_batches()
        batches.rank_slice = self.rank_slice
        return batches

    # Lightning restores the state of a loader only if nothing has asked for the number of steps.

    def state_dict(self) -> dict[str, int]:
        return self.train_batches.state_dict()

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.train_batches.load_state_dict(state_dict)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, index: int) -> Batch:
        return batch  # already there

    def _resident(self, images: Tensor, labels: Tensor) -> Batch:
        """Copy examples to the device, resized if they fit the cache."""
        images, labels = images.to(self.device), labels.to(self.device)
        if images[:, :, 0, 0].numel() * self._image_size**2 <= CACHED_BYTES:
            images, labels = (
                torch.cat([resize(some, self._image_size) for some in tensor.split(CHUNK)])
                for tensor in (images, labels)
            )
        return images, labels

    def _prepare(self, images: Tensor) -> Tensor:
        images = resize(images, self._image_size).float().mul_(self._scale)
        return images.add_(self._shift) if self._normalize else images


def _split(
    dataset: ImageDataset,
    train_examples: int | None,
    validation_examples: int,
    subset_seed: int | None,
) -> tuple[Batch, Batch]:
    """The training examples, and the held-out examples or else the test set."""
    images, labels = dataset.train_images, dataset.train_labels
    available = len(labels) - validation_examples
    count = available if train_examples is None else train_examples
    if not 0 < count <= available:
        raise ValueError(
            f"{count:,} training and {validation_examples:,} validation examples requested, "
            f"but {dataset.name} has {len(labels):,}"
        )
    # One order for all seeds, so that every run holds out the same examples.
    order = torch.randperm(len(labels), generator=generator(SUBSET))
    held_out, others = order[:validation_examples], order[validation_examples:]
    if subset_seed is not None:
        others = others[torch.randperm(available, generator=generator(SUBSET, subset_seed))]
    chosen = others[:count]
    train = images[chosen], labels[chosen]
    if validation_examples:
        return train, (images[held_out], labels[held_out])
    return train, (dataset.test_images, dataset.test_labels)
