import pytest
import torch

import datamodules
from datamodules.sources import fashion_mnist_masks
from datamodules.sources.fashion_mnist_masks import masks


def mask(drawing, label=0):
    """The mask of a drawing: `#` is bright, `:` a speck of background, anything else dark."""
    brightness = {"#": 200, ":": 16}
    rows = [[brightness.get(c, 0) for c in line] for line in drawing.split()]
    return masks(torch.tensor(rows, dtype=torch.uint8)[None, None], torch.tensor([label]))[0]


def test_enclosed_dark_pixels_belong_to_the_garment():
    drawing = """
        .......
        .####:.
        .#..#..
        .#.##..
        .###...
        .......
    """
    expected = """
        .......
        .####..
        .####..
        .####..
        .###...
        .......
    """
    assert torch.equal(mask(drawing), mask(expected))
    assert mask(expected).sum() == 15


def test_a_bay_is_background():
    drawing = """
        #####
        #...#
        #.#.#
        #.#..
    """
    assert mask(drawing).bool().sum() == 12


def test_diagonal_neighbours_close_a_hole():
    drawing = """
        .##.
        #..#
        .##.
    """
    assert mask(drawing).sum() == 8


def test_the_background_precedes_the_classes():
    assert fashion_mnist_masks.CLASSES[0] == "background"
    for label in range(10):
        found = mask("..# .## ...", label)
        assert found.dtype == torch.uint8
        assert found.unique().tolist() == [0, label + 1]


def test_holes_do_not_extend_across_images():
    images = torch.full((3, 1, 8, 8), 200, dtype=torch.uint8)
    images[1] = 0
    assert masks(images, torch.zeros(3, dtype=torch.long)).sum((1, 2)).tolist() == [64, 0, 64]


def test_the_dataset(small_fashion_mnist):
    dataset = datamodules.load("fashion_mnist_masks", small_fashion_mnist)
    images = datamodules.load("fashion_mnist", small_fashion_mnist)
    assert torch.equal(dataset.train_images, images.train_images)
    assert dataset.digest != images.digest
    assert (len(dataset.classes), dataset.channels) == (11, 1)
    for labels in (dataset.train_labels, dataset.test_labels):
        assert labels.shape == (30, 28, 28)
        # In the small dataset a garment is a square, larger for each next class.
        areas = (labels > 0).sum((1, 2))
        assert areas.tolist() == [(2 * label + 1) ** 2 for label in range(10)] * 3
        assert labels.flatten(1).max(1).values.tolist() == [*range(1, 11)] * 3


def test_the_digest_depends_on_the_masks(small_fashion_mnist, monkeypatch):
    def digest():
        return datamodules.load("fashion_mnist_masks", small_fashion_mnist).digest

    first = digest()
    assert digest() == first
    monkeypatch.setattr(fashion_mnist_masks, "BRIGHTEST_BACKGROUND", 100)
    assert digest() != first


@pytest.mark.parametrize("name", ["fashion_mnist", "fashion_mnist_masks"])
def test_the_task_agrees_with_the_loaded_data(small_fashion_mnist, name):
    assert datamodules.load(name, small_fashion_mnist).task == datamodules.TASKS[name]


def test_the_real_masks(fashion_mnist):
    found = masks(fashion_mnist.test_images[:1000], fashion_mnist.test_labels[:1000])
    # A garment reaches two borders of its image and never fills it.
    filled = (found > 0).float().mean((1, 2))
    assert filled.min() > 0.05
    assert filled.max() < 1
    assert filled.mean() == pytest.approx(0.47, abs=0.02)
