"""A LightningDataModule that keeps a dataset as uint8, on the training device if it fits."""

from dataclasses import dataclass
from functools import cache, partial

import lightning as L
import torch
from torch import Tensor

from datamodules import memory
from datamodules.dataset import ImageDataset
from datamodules.examples import ResidentExamples, StreamedExamples
from datamodules.loader import SUBSET, Batch, BatchGroups, DeviceLoader, generator
from datamodules.rows import FileRows, Rows, TensorRows
from datamodules.transforms import resize

# Examples are resized once if the result takes at most so many bytes, else batch by batch.
CACHED_BYTES = 2**30
CHUNK = 512  # examples loaded or resized at once


class ImageDataModule(L.LightningDataModule):
    """Serves (images, labels) batches on the training device.

    Images are float32 (N, C, image_size, image_size). Labels are int64: (N,) for classification,
    (N, image_size, image_size) for segmentation. `train_batches` is the loader of the training
    batches; the Trainer gets these in groups of `group_size` (see `BatchGroups`) unless it is 1.
    `placement` says where the examples lie; the batches are the same wherever that is.

    Args:
        device: of the training.
        image_size: height and width in pixels to which a batch is resized.
        batch_size: examples a batch; the last batch may be smaller.
        evaluation_batch_size: the same, of the evaluated examples; None: `batch_size`.
        seed: with the epoch, determines order and augmentation of the training examples.
        train_examples: size of the training subset; None: all.
        subset_seed: draws the training subset; None: it is the same for every seed.
        validation_examples: training examples held out to replace the test set.
        normalize: subtract the dataset's mean and divide by its standard deviation.
        augmentation: any of `flip`, `crop` and `cutout`, for training examples.
        processes: how many of the machine's processes hold examples of their own.
        placement: where the examples lie: `memory.DEVICE`, `HOST` or `DISK`; None: see
            `memory.placement`.

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
        evaluation_batch_size: int | None = None,
        seed: int = 0,
        train_examples: int | None = None,
        subset_seed: int | None = None,
        validation_examples: int = 0,
        normalize: bool = True,
        augmentation: tuple[str, ...] = (),
        memory_format: torch.memory_format = torch.contiguous_format,
        processes: int = 1,
        placement: str | None = None,
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
        size = train.nbytes + evaluation.nbytes
        self.placement = placement or memory.placement(size, device, processes)
        self._memory_format = memory_format
        loader = partial(DeviceLoader, prepare=self._prepare, memory_format=memory_format)
        self.train_batches = loader(
            self._placed(train),
            batch_size=batch_size,
            shuffle_seed=lambda: (seed, 0 if self.trainer is None else self.trainer.current_epoch),
            augmentation=augmentation,
        )
        # Made on first use: training neither waits for it nor shares memory with it.
        size_then = evaluation_batch_size or batch_size
        self._test_batches = cache(lambda: loader(self._placed(evaluation), batch_size=size_then))

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

    def _placed(self, part: "_Part") -> ResidentExamples | StreamedExamples:
        layout = self._memory_format
        if self.placement == memory.DEVICE:
            return ResidentExamples(*self._resident(part), layout)
        images, numbers = part.rows(), part.numbers
        if self.placement == memory.HOST:
            images = TensorRows(part.loaded(torch.device("cpu")))
            numbers = torch.arange(len(numbers))
        labels = part.labels[part.numbers]
        return StreamedExamples(images, numbers, labels, device=self.device, memory_format=layout)

    def _resident(self, part: "_Part") -> Batch:
        """Copy examples to the device, resized if they fit the cache."""
        images, labels = part.loaded(self.device), part.labels[part.numbers].to(self.device)
        if images[:, :, 0, 0].numel() * self._image_size**2 <= CACHED_BYTES:
            images, labels = (
                torch.cat([resize(some, self._image_size) for some in tensor.split(CHUNK)])
                for tensor in (images, labels)
            )
        return images, labels

    def _prepare(self, images: Tensor) -> Tensor:
        images = resize(images, self._image_size).float().mul_(self._scale)
        return images.add_(self._shift) if self._normalize else images


@dataclass(frozen=True)
class _Part:
    """The examples of a split of a dataset that have these numbers, int64 (n,)."""

    dataset: ImageDataset
    split: str
    numbers: Tensor

    @property
    def images(self) -> Tensor:
        """The images of the whole split."""
        return getattr(self.dataset, f"{self.split}_images")

    @property
    def labels(self) -> Tensor:
        """The labels of the whole split."""
        return getattr(self.dataset, f"{self.split}_labels")

    @property
    def nbytes(self) -> int:
        """Bytes of the examples."""
        an_example = self.images[:1].nbytes + self.labels[:1].nbytes
        return len(self.numbers) * an_example

    def rows(self) -> Rows:
        """The images of the whole split, where they lie."""
        file, shape = self.dataset.images_file, tuple(self.images.shape)
        if file is None:
            return TensorRows(self.images)
        return FileRows(file, shape, first=len(self.dataset.train_images) * (self.split == "test"))

    def loaded(self, device: torch.device) -> Tensor:
        """The images of the examples in the memory of a device."""
        if self.dataset.images_file is None:
            return self.images[self.numbers].to(device)
        rows = self.rows()
        images = torch.empty((len(self.numbers), *rows.shape[1:]), dtype=torch.uint8, device=device)
        for some, into in zip(self.numbers.split(CHUNK), images.split(CHUNK), strict=True):
            chunk = torch.empty(into.shape, dtype=torch.uint8)
            rows.read(some, chunk)
            into.copy_(chunk)
        return images


def _split(
    dataset: ImageDataset,
    train_examples: int | None,
    validation_examples: int,
    subset_seed: int | None,
) -> tuple[_Part, _Part]:
    """The training examples, and the held-out examples or else the test set."""
    labels = dataset.train_labels
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
    train = _Part(dataset, "train", others[:count])
    if validation_examples:
        return train, _Part(dataset, "train", held_out)
    return train, _Part(dataset, "test", torch.arange(len(dataset.test_labels)))
