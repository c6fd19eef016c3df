import dataclasses
from itertools import chain

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import datamodule
from datamodules.datamodule import ImageDataModule
from datamodules.loader import BatchGroups

CPU = torch.device("cpu")


def module(dataset, **options):
    return ImageDataModule(dataset, CPU, **{"image_size": 32, "batch_size": 30, **options})


def gather(loader):
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


def test_an_epoch_serves_every_example_once(small_dataset):
    loader = module(small_dataset, normalize=False).train_dataloader()
    assert [len(labels) for _, labels in loader] == [30, 30, 20]
    assert len(loader) == 3
    images, _ = gather(loader)
    served = (images * 255).round().byte().flatten(1).tolist()
    assert sorted(served) == sorted(small_dataset.train_images.flatten(1).tolist())


@pytest.mark.parametrize(
    ("batch_size", "examples", "lengths"),
    [
        (79, 80, [80]),
        (26, 79, [26, 26, 27]),
        (26, 80, [26, 26, 26, 2]),
        (16, 80, [16] * 5),
        (16, 1, [1]),
        (1, 3, [1, 1, 1]),
    ],
)
def test_a_rest_of_one_joins_the_batch_before(small_dataset, batch_size, examples, lengths):
    data = module(small_dataset, batch_size=batch_size, train_examples=examples)
    assert [len(labels) for _, labels in data.train_batches] == lengths
    assert [data.train_batches.global_size(i) for i in range(len(lengths))] == lengths
    assert len(data.train_batches) == len(lengths)


@pytest.mark.parametrize(("size", "lengths"), [(1, [1] * 6), (4, [4, 2]), (6, [6]), (9, [6])])
def test_groups_serve_the_batches_of_the_loader(small_dataset, size, lengths):
    data = module(small_dataset, batch_size=15)
    groups = BatchGroups(data.train_batches, size)
    assert len(groups) == len(lengths)
    made = [list(group) for group in groups]
    assert [len(group) for group in made] == lengths
    assert [sum(len(labels) for _, labels in group) for group in made] == [
        groups.global_size(index) for index in range(len(groups))
    ]
    for (images, labels), batch in zip(chain(*made), data.train_batches, strict=True):
        assert torch.equal(images, batch[0])
        assert torch.equal(labels, batch[1])


def test_groups_resume_behind_the_served_batches(small_dataset):
    data = module(small_dataset, batch_size=15)
    expected = [labels for _, labels in data.train_batches]
    first = BatchGroups(data.train_batches, 4)
    list(next(iter(first)))
    second = BatchGroups(module(small_dataset, batch_size=15).train_batches, 4)
    second.load_state_dict(first.state_dict())
    rest = [labels for group in second for _, labels in group]
    assert torch.equal(torch.cat(rest), torch.cat(expected[4:]))
    assert sum(1 for group in second for _ in group) == 6  # the next epoch is whole


def test_labels_stay_with_their_images(small_dataset):
    images, labels = gather(module(small_dataset, normalize=False).train_dataloader())
    red = (images[:, 0] * 255).mean((1, 2)).round() - 29.5  # noise from 0 to 59, mean 29.5
    assert torch.equal((red / 20).round().long(), labels)


def test_order_is_a_function_of_seed_and_epoch(small_dataset):
    def order(seed, epoch):
        data = module(small_dataset, seed=seed, augmentation=("flip", "crop"))

        class Trainer:
            current_epoch = epoch

        data.trainer = Trainer()
        return gather(data.train_dataloader())[0]

    assert torch.equal(order(0, 0), order(0, 0))
    assert not torch.equal(order(0, 0), order(0, 1))
    assert not torch.equal(order(0, 0), order(1, 0))


@pytest.mark.parametrize("served", [0, 1, 2, 3])
def test_an_epoch_resumes_behind_the_served_batches(small_dataset, served):
    options = {"seed": 3, "augmentation": ("flip", "crop")}
    first = module(small_dataset, **options).train_dataloader()
    whole = list(first)
    batches = iter(first)
    for _ in range(served):
        next(batches)
    second = module(small_dataset, **options).train_dataloader()
    second.load_state_dict(first.state_dict())
    rest = list(second)
    expected = whole[served % 3 :]  # after a complete epoch, all of the next epoch
    assert len(rest) == len(expected)
    for (images, labels), (expected_images, expected_labels) in zip(rest, expected, strict=True):
        assert torch.equal(images, expected_images)
        assert torch.equal(labels, expected_labels)
    assert len(list(second)) == 3


def test_subset_is_equal_for_all_seeds_and_disjoint_from_validation(small_dataset):
    def examples(seed, evaluation=False):
        options = {"train_examples": 40, "validation_examples": 20, "normalize": False}
        data = module(small_dataset, seed=seed, **options)
        loader = data.test_dataloader() if evaluation else data.train_dataloader()
        return {tuple(image.flatten().tolist()) for image in gather(loader)[0]}

    assert examples(0) == examples(1)
    assert len(examples(0)) == 40
    held_out = examples(0, evaluation=True)
    assert len(held_out) == 20
    assert not held_out & examples(0)
    test = {tuple(i.tolist()) for i in (small_dataset.test_images / 255).flatten(1)}
    assert not held_out & test


def test_images_are_normalised_by_the_statistics_of_the_dataset(small_dataset):
    data = module(small_dataset)
    images, _ = gather(data.test_dataloader())
    mean, std = (torch.tensor(t).view(3, 1, 1) for t in (small_dataset.mean, small_dataset.std))
    torch.testing.assert_close(images, (small_dataset.test_images / 255 - mean) / std)


@pytest.mark.parametrize("image_size", [20, 72])
def test_images_are_resized_as_by_pillow(small_dataset, image_size):
    data = module(small_dataset, image_size=image_size, normalize=False)
    ours, _ = gather(data.test_dataloader())
    theirs = [
        np.asarray(
            Image.fromarray(image.permute(1, 2, 0).numpy()).resize(
                (image_size, image_size), Image.Resampling.BILINEAR
            )
        )
        for image in small_dataset.test_images
    ]
    # Pillow rounds after each of its two passes.
    difference = ours.permute(0, 2, 3, 1) * 255 - torch.from_numpy(np.stack(theirs))
    assert difference.abs().max() <= 1.01


def test_too_many_examples_are_rejected(small_dataset):
    with pytest.raises(ValueError, match="has 80"):
        module(small_dataset, train_examples=70, validation_examples=11)


@pytest.fixture
def masked(small_dataset):
    """Black images with a uniform patch at a random position, which is also the mask."""
    masks = torch.zeros(80, 32, 32, dtype=torch.uint8)
    for number, (top, left) in enumerate(torch.randint(20, (80, 2)).tolist()):
        masks[number, top : top + 9, left : left + 6] = 1 + number
    images = masks[:, None] * 3
    return dataclasses.replace(
        small_dataset,
        train_images=images.expand(-1, 3, -1, -1),
        train_labels=masks,
        test_images=images[:10].expand(-1, 3, -1, -1),
        test_labels=masks[:10],
    )


@pytest.mark.parametrize("augmentation", [(), ("flip",), ("crop",)])
def test_masks_move_with_their_images(masked, augmentation):
    data = module(masked, normalize=False, augmentation=augmentation)
    images, masks = gather(data.train_dataloader())
    assert masks.dtype == torch.int64
    assert torch.equal((images[:, 0] * 255 / 3).round().long(), masks)
    still, unmoved = gather(module(masked, normalize=False).train_dataloader())
    assert torch.equal(masks, unmoved) == (augmentation == ())
    assert still.shape == images.shape


def test_the_padding_of_a_crop_is_background(masked):
    _, masks = gather(module(masked, augmentation=("crop",)).train_dataloader())
    assert (masks == 0).flatten(1).any(1).all()
    assert set(masks.unique().tolist()) <= set(range(81))


@pytest.mark.parametrize("image_size", [16, 48, 64])
def test_resized_masks_take_the_nearest_pixel(masked, image_size):
    images, masks = gather(module(masked, image_size=image_size).test_dataloader())
    assert masks.shape == (10, image_size, image_size) == images[:, 0].shape
    centres = ((torch.arange(image_size) + 0.5) * 32 / image_size).long()
    assert torch.equal(masks, masked.test_labels[:, centres[:, None], centres].long())


def test_held_out_masks_belong_to_the_held_out_images(masked):
    data = module(masked, normalize=False, train_examples=40, validation_examples=20)
    for loader, count in ((data.train_dataloader(), 40), (data.test_dataloader(), 20)):
        images, masks = gather(loader)
        assert len(masks) == count
        assert torch.equal((images[:, 0] * 255 / 3).round().long(), masks)


@pytest.mark.parametrize("count", [3, 30])
def test_slices_of_all_ranks_make_up_the_batches(small_dataset, count):
    """Splits batches of 30, 30 and 20 among ranks, some of which get an empty batch."""
    options = {"seed": 3, "augmentation": ("flip", "crop")}
    whole, parts = module(small_dataset, **options), []
    for rank in range(count):
        part = module(small_dataset, **options)
        part.rank_slice = slice(rank, None, count)
        parts.append(part)
    for loader in ("train_dataloader", "test_dataloader"):
        batches = list(getattr(whole, loader)())
        slices = list(zip(*(getattr(part, loader)() for part in parts), strict=True))
        for index, (batch, of_ranks) in enumerate(zip(batches, slices, strict=True)):
            sizes = [len(labels) for _, labels in of_ranks]
            assert max(sizes) - min(sizes) <= 1
            assert sum(sizes) == getattr(parts[0], loader)().global_size(index)
            for kind in (0, 1):
                merged = torch.empty_like(batch[kind])
                for rank, examples in enumerate(of_ranks):
                    merged[rank::count] = examples[kind]
                assert torch.equal(merged, batch[kind])


@pytest.mark.parametrize("image_size", [16, 32, 48])
@pytest.mark.parametrize("fixture", ["small_dataset", "masked"])
def test_examples_resized_once_equal_those_resized_batch_by_batch(
    request, monkeypatch, fixture, image_size
):
    dataset = request.getfixturevalue(fixture)
    options = {"image_size": image_size, "augmentation": ("flip", "crop", "cutout")}
    monkeypatch.setattr(datamodule, "CHUNK", 7)  # fills the cache in several chunks
    cached = module(dataset, **options)
    monkeypatch.setattr(datamodule, "CACHED_BYTES", 0)
    uncached = module(dataset, **options)
    assert cached.train_dataloader().labels.shape[1:] in [(), (image_size, image_size)]
    assert uncached.train_dataloader().labels.shape == dataset.train_labels.shape
    for loader in ("train_dataloader", "test_dataloader"):
        for ours, theirs in zip(
            gather(getattr(cached, loader)()), gather(getattr(uncached, loader)()), strict=True
        ):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_the_memory_format_changes_no_value(small_dataset, memory_format):
    options = {"image_size": 40, "augmentation": ("flip", "crop", "cutout")}
    plain, _ = gather(module(small_dataset, **options).train_dataloader())
    data = module(small_dataset, memory_format=memory_format, **options)
    images, _ = gather(data.train_dataloader())
    assert torch.equal(images, plain)
    batch, _ = next(iter(data.train_dataloader()))
    assert batch.is_contiguous(memory_format=memory_format)


def test_cutout_changes_training_images_only(masked):
    images, masks = gather(module(masked, augmentation=("cutout",)).train_dataloader())
    plain, unmoved = gather(module(masked).train_dataloader())
    assert torch.equal(masks, unmoved)
    assert not torch.equal(images, plain)
    evaluated, _ = gather(module(masked, augmentation=("cutout",)).test_dataloader())
    assert torch.equal(evaluated, gather(module(masked).test_dataloader())[0])
