"""Changes of images at several strengths."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

# Strengths that leave an image as it is, where they are not 0
NEUTRAL = {"scale": 1.0, "brightness": 1.0, "saturation": 1.0}


def _affine(images: Tensor, fill: list[float], **changes: Any) -> Tensor:
    known = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0], **changes}
    return F.affine(images, **known, interpolation=F.InterpolationMode.BILINEAR, fill=fill)


def _noisy(images: Tensor, deviation: float) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + deviation * noise.to(images.device)).clamp(0, 1)


@dataclass(frozen=True)
class Change:
    """A change of images (N, C, H, W) with pixels in [0, 1], and its strengths."""

    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[Tensor, float, list[float]], Tensor]  # images, strength, colour of the border


CHANGES = {
    "shift": Change("px", (1, 2, 4, 8), lambda x, s, fill: _affine(x, fill, translate=[int(s), 0])),
    "rotation": Change("°", (5, 15, 30), lambda x, s, fill: _affine(x, fill, angle=s)),
    "scale": Change("", (0.7, 0.85, 1.2, 1.5), lambda x, s, fill: _affine(x, fill, scale=s)),
    "flip": Change("", (1,), lambda x, s, fill: F.horizontal_flip(x)),
    "blur": Change("px", (0.5, 1, 2), lambda x, s, fill: F.gaussian_blur(x, [9, 9], [s, s])),
    "brightness": Change("", (0.4, 0.7, 1.5, 2), lambda x, s, fill: F.adjust_brightness(x, s)),
    "saturation": Change("", (0, 0.5), lambda x, s, fill: F.adjust_saturation(x, s)),
    "noise": Change("", (0.05, 0.1, 0.2), lambda x, s, fill: _noisy(x, s)),
}


def changed(images: Tensor, fill: list[float]) -> Iterator[tuple[str, float, Tensor]]:
    """The images themselves, then under each change and strength."""
    yield "none", 0.0, images
    for name, change in CHANGES.items():
        for strength in change.strengths:
            yield name, strength, change.apply(images, strength, fill)
