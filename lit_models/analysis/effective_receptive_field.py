"""The effective receptive field: how much each pixel contributes to a position of a map.

W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the Effective Receptive Field in Deep
Convolutional Neural Networks", 2016, 2: the gradient of the central unit with respect to the input.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lit_models.analysis.receptive_field import LayerField, trace
from lit_models.dry_run import untouched
from lit_models.entries import ModelError


@dataclass(frozen=True)
class EffectiveReceptiveField:
    """The weight of each pixel for the central position of a layer's map.

    `weights` (H, W) sum to 1. `field` is the layer's theoretical field, `box` that of the central
    position in pixels: first row, last row, first column, last column, also beyond the image.
    """

    weights: Tensor
    field: LayerField
    box: tuple[float, float, float, float]

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the centre of `box`; pixel 0 spans 0 to 1."""
        top, bottom, left, right = self.box
        return (top + bottom + 1) / 2, (left + right + 1) / 2

    @property
    def distances(self) -> Tensor:
        """The distance of each pixel's middle from the centre in pixels, (H, W)."""
        rows, columns = (torch.arange(size) + 0.5 for size in self.weights.shape)
        return torch.hypot(rows[:, None] - self.centre[0], columns - self.centre[1])

    def radius(self, mass: float) -> float:
        """Radius in pixels around the centre that holds a fraction `mass` of the weights."""
        distances, order = self.distances.flatten().sort()
        held = self.weights.double().flatten()[order].cumsum(0)
        return distances[torch.searchsorted(held, mass * held[-1])].item()

    def area(self, mass: float) -> float:
        """The part of the field inside the image that lies within `radius(mass)`.

        About `mass` if all pixels weigh alike, and less if the centre weighs more.
        """
        top, bottom, left, right = (math.ceil(side) for side in self.box)
        inside = self.distances[max(0, top) : bottom + 1, max(0, left) : right + 1]
        return (inside <= self.radius(mass)).double().mean().item()


def effective_receptive_field(
    module: nn.Module, images: Tensor, layer: str | None = None, batch_size: int = 16
) -> EffectiveReceptiveField:
    """Measure the effective receptive field of a layer of `module` on real images.

    The weights are the absolute gradient of the central position (the sum over its channels) with
    respect to each pixel, averaged over images and their channels. The net runs in eval mode;
    `module` is left unchanged.

    Args:
        module: a net on the device of `images`.
        images: (N, C, H, W) with H = W.
        layer: name of a module whose output is a map (N, C, H, W); None: the last such module.
        batch_size: images per forward pass.

    Raises:
        ModelError: no such layer, its output is not a map, or no gradient reaches the image.
    """
    names = {part: name for name, part in module.named_modules()}
    rows = trace(module, images.shape[-1], images.shape[1], names).layers
    maps = [(row, row.axes) for row in rows if row.axes and layer in (None, row.name)]
    if not maps:
        what = "module" if layer is None else f"layer {layer!r}"
        raise ModelError(f"no {what} of this net has a map as its output")
    field, (height, width) = maps[-1]
    units: list[Tensor] = []
    position = [0, 0]

    def after(module: nn.Module, args: tuple, output: Any) -> None:
        output = tree_leaves(output)[0]
        position[:] = (size // 2 for size in output.shape[-2:])
        units.append(output[..., position[0], position[1]].sum())

    weights = torch.zeros(images.shape[-2:], dtype=torch.float64)
    with untouched(module):
        module.eval().get_submodule(field.name).register_forward_hook(after)
        for batch in images.split(batch_size):
            batch = batch.detach().clone().requires_grad_()
            module(batch)
            (gradient,) = torch.autograd.grad(units[-1], batch)
            units.clear()
            weights += gradient.abs().double().sum((0, 1)).cpu()
    if not weights.sum() > 0:
        raise ModelError(f"no gradient of layer {field.name!r} reaches the image")
    box = (*height.bounds(position[0]), *width.bounds(position[1]))
    return EffectiveReceptiveField((weights / weights.sum()).float(), field, box)


@torch.no_grad()
def calibrate_batch_norm(net: nn.Module, images: Tensor) -> None:
    """Put `net` in eval mode, and set the statistics of batch normalisation to those of `images`.

    An untrained net would else normalise by mean 0 and variance 1.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean over all batches, here of one
    net.eval()
    for norm in norms:
        norm.train()
    net(images)
    net.eval()
