"""The batches are the same wherever the examples lie."""

import dataclasses
import threading

import pytest
import torch

from datamodules import control_groups, memory
from datamodules.datamodule import ImageDataModule
from datamodules.memory import DEVICE, DISK, HOST

CPU = torch.device("cpu")
AUGMENTATION = ("flip", "crop", "cutout")


@pytest.fixture
def on_disk(small_dataset, tmp_path):
    """`small_dataset` with its images in a file."""
    file = tmp_path / "pixels.images"
    parts = small_dataset.train_images, small_dataset.test_images
    file.write_bytes(b"".join(part.numpy().tobytes() for part in parts))
    return dataclasses.replace(small_dataset, images_file=file)


def served(dataset, placement, *, state=None, rank_slice=slice(None), epochs=2, **options):
    """All batches of several epochs, then those of the test."""
    options = {"image_size": 32, "batch_size": 30, "augmentation": AUGMENTATION, **options}
    data = ImageDataModule(dataset, CPU, placement=placement, **options)
    assert data.placement == placement
    data.rank_slice = rank_slice
    if state:
        data.load_state_dict(state)

    class Trainer:
        current_epoch = 0

    data.trainer, batches = Trainer(), []
    for data.trainer.current_epoch in range(epochs):
        batches += data.train_dataloader()
    return batches + list(data.test_dataloader())


def assert_equal(ours, theirs):
    assert len(ours) == len(theirs)
    for batch, other in zip(ours, theirs, strict=True):
        for tensor, expected in zip(batch, other, strict=True):
            assert tensor.dtype == expected.dtype
            assert tensor.stride() == expected.stride()
            assert torch.equal(tensor, expected)


@pytest.mark.parametrize("placement", [DEVICE, HOST, DISK])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"memory_format": torch.channels_last, "image_size": 40},
        {"image_size": 20, "batch_size": 79, "train_examples": 80},
        {"train_examples": 40, "validation_examples": 20, "subset_seed": 3, "seed": 3},
        {"rank_slice": slice(1, None, 3)},
        {"rank_slice": slice(29, None, 30)},  # some batches are empty
        {"state": {"batches": 2}},
    ],
    ids=str,
)
def test_batches_are_the_same_to_the_bit(small_dataset, on_disk, placement, options):
    expected = served(small_dataset, DEVICE, **options)
    for dataset in (small_dataset, on_disk):
        assert_equal(served(dataset, placement, **options), expected)


def test_masks_follow_their_images(small_dataset):
    masks = torch.randint(3, (80, 32, 32), dtype=torch.uint8)
    masked = dataclasses.replace(small_dataset, train_labels=masks, test_labels=masks[:40])
    expected = served(masked, DEVICE, image_size=24)
    for placement in (HOST, DISK):
        assert_equal(served(masked, placement, image_size=24), expected)


def test_an_epoch_that_is_left_early_leaves_no_thread(on_disk):
    data = ImageDataModule(on_disk, CPU, image_size=32, batch_size=8, placement=DISK)
    batches = iter(data.train_batches)
    next(batches)
    assert any(thread.name.startswith("batches") for thread in threading.enumerate())
    del batches
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_examples_lie_where_there_is_room(monkeypatch):
    gpu = torch.device("cuda")
    monkeypatch.setattr(memory, "host_memory", lambda: 1000)
    monkeypatch.setattr(memory, "_accelerator_memory", lambda d: 400 if d is gpu else None)
    assert [memory.placement(size, CPU) for size in (250, 251)] == [DEVICE, DISK]
    assert [memory.placement(size, CPU, processes=2) for size in (125, 126)] == [DEVICE, DISK]
    assert [memory.placement(size, gpu) for size in (100, 101, 251)] == [DEVICE, HOST, DISK]


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        ("0::/jobs/mine\n", {"jobs/memory.max": "5000", "jobs/mine/memory.max": "max"}, 5000),
        ("0::/jobs\n", {"jobs/memory.max": "max"}, None),
        ("4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "7000"}, 7000),
        ("4:cpu:/a\n", {"memory/a/memory.limit_in_bytes": "7000"}, None),
        (None, {}, None),
    ],
)
def test_the_limits_of_control_groups_count(tmp_path, monkeypatch, groups, limits, expected):
    own, root = tmp_path / "own", tmp_path / "groups"
    if groups is not None:
        own.write_text(groups)
    for name, limit in limits.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{limit}\n")
    monkeypatch.setattr(control_groups, "_OWN_GROUPS", own)
    monkeypatch.setattr(control_groups, "_ROOT", root)
    machine = memory.psutil.virtual_memory().total
    assert memory.host_memory() == (expected or machine)
