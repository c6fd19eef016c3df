import pytest
import torch

from datamodules.transforms import crop, cutout, flip


def test_flip_mirrors_only_the_chosen_images():
    images = torch.arange(12.0).view(2, 1, 2, 3)
    flipped = flip(images, torch.tensor([True, False]))
    assert torch.equal(flipped[0], images[0].flip(-1))
    assert torch.equal(flipped[1], images[1])


def test_crop_shifts_each_image_by_its_own_offset():
    images = torch.rand(3, 2, 16, 16)
    shifted = crop(images, torch.tensor([[0.0, 0.0], [-1.0, -1.0], [0.999, 0.0]]))
    assert shifted.shape == images.shape
    assert torch.equal(shifted[0], images[0])
    assert torch.equal(shifted[1, :, 2:, 2:], images[1, :, :-2, :-2])
    assert not shifted[1, :, :2].any()
    assert torch.equal(shifted[2, :, :-2], images[2, :, 2:])


@pytest.mark.parametrize("size", [16, 28, 33])
def test_cutout_sets_a_square_of_half_the_side_to_zero(size):
    images = torch.rand(50, 3, size, size) + 1
    holes = torch.rand(50, 2)
    holes[:4] = torch.tensor([[0.0, 0.0], [0.0, 0.999], [0.5, 0.5], [0.999, 0.999]])
    cut = cutout(images, holes)
    is_zero = (cut == 0).all(1)
    assert torch.equal(cut, torch.where(is_zero[:, None], 0.0, images))  # nothing else changes
    for hole, zero in zip(holes, is_zero, strict=True):
        rows, columns = zero.any(1), zero.any(0)
        assert torch.equal(zero, rows[:, None] & columns)  # a rectangle
        for place, line in zip(hole * size, (rows, columns), strict=True):
            (inside,) = line.nonzero(as_tuple=True)
            low, high = place - size / 4, place + size / 4
            assert len(inside) == inside[-1] - inside[0] + 1
            # Half the side without the part outside the image, rounded to whole pixels
            expected = min(high, torch.tensor(size - 1.0)) - max(low, torch.tensor(0.0))
            assert abs(len(inside) - expected) <= 1
            assert low <= inside[0]
            assert inside[-1] <= high


def test_cutouts_are_uniform_over_the_image():
    is_zero = cutout(torch.ones(4000, 1, 16, 16), torch.rand(4000, 2))[:, 0] == 0
    frequency = is_zero.float().mean(0)
    assert frequency.min() > 0.04  # a corner: a quarter of the positions along each axis
    assert 0.2 < frequency[8, 8] < 0.3
    area = is_zero.flatten(1).sum(1)
    assert area.max() <= 64
    assert area.min() >= 16
