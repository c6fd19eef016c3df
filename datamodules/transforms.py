"""Resizing and augmentation of a batch of images on its device."""

import torch
from torch import Tensor
from torch.nn import functional as F


def resize(examples: Tensor, size: int) -> Tensor:
    """Resize images or masks to `size` x `size` pixels.

    Images, uint8 (N, C, H, W), are interpolated bilinearly and rounded, as image files would be.
    Masks, uint8 (N, H, W), take the nearest pixel. Labels (N,) are returned unchanged.
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
    """Pad each image (N, C, H, W) with zeros by an eighth on each side and crop it to its size.

    `shifts` (N, 2) in [-1, 1) moves the crop down and right; 0 returns the image itself.
    """
    count, _, height, width = images.shape
    pad = height // 8
    offsets = ((shifts + 1) / 2 * (2 * pad + 1)).long()  # (N, 2), each from 0 to 2 pad
    padded = F.pad(images, (pad, pad, pad, pad))
    rows = offsets[:, 0, None] + torch.arange(height, device=images.device)  # (N, H)
    columns = offsets[:, 1, None] + torch.arange(width, device=images.device)  # (N, W)
    examples = torch.arange(count, device=images.device)
    # Indices on both sides of the channels move the channels to the end: (N, H, W, C)
    cropped = padded[examples[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return cropped.permute(0, 3, 1, 2)


def cutout(images: Tensor, holes: Tensor) -> Tensor:
    """Set a square of each image (N, C, H, W) to zero (DeVries & Taylor, 2017).

    The side is half the image's, as in the paper for CIFAR-10. The centre is `holes` (N, 2) in
    [0, 1), down and right; the square may reach beyond the image.
    """
    height, width = images.shape[-2:]
    rows = (torch.arange(height, device=images.device) - holes[:, :1] * height).abs()  # (N, H)
    columns = (torch.arange(width, device=images.device) - holes[:, 1:] * width).abs()  # (N, W)
    is_cut = (rows < height / 4)[:, :, None] & (columns < width / 4)[:, None, :]
    return images.masked_fill(is_cut[:, None], 0.0)
