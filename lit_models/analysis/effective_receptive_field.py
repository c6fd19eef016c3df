"""Which pixels really matter to a position: its effective receptive field.

W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the Effective Receptive Field in Deep
Convolutional Neural Networks", 2016, 2: the gradient of the central unit with respect to the input.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lit_models.analysis.receptive_field import LayerField, trace
from lit_models.entries import ModelError


@dataclass(frozen=True)
class EffectiveReceptiveField:
    """How much each pixel counts for the central position of a layer.

    `weights` (H, W) sum to 1. `field` is the layer's theoretical field, `box` that of the position
    in pixels: first row, last row, first column, last column, beyond the borders too.
    """

    weights: Tensor
    field: LayerField
    box: tuple[float, float, float, float]

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the centre of `box`; pixel 0 reaches from 0 to 1."""
        top, bottom, left, right = self.box
        return (top + bottom + 1) / 2, (left + right + 1) / 2

    def radius(self, mass: float) -> float:
        """Pixels from the centre within which at least a fraction `mass` of the weights lies."""
        rows, columns = (torch.arange(size) + 0.5 for size in self.weights.shape)
        distances = torch.hypot(rows[:, None] - self.centre[0], columns - self.centre[1]).flatten()
        distances, order = distances.sort()
        held = self.weights.double().flatten()[order].cumsum(0)
        return distances[torch.searchsorted(held, mass * held[-1])].item()


def effective_receptive_field(
    module: nn.Module, images: Tensor, layer: str | None = None, batch_size: int = 16
) -> EffectiveReceptiveField:
    """Measure the effective receptive field of a layer of `module` on real images.

    That is the absolute gradient of the central position, summed over its channels, with respect to
    the pixels, averaged over images and their channels. In eval mode; `module` is left as it was.

    Args:
        module: on the device of `images`.
        images: (N, C, H, W) with H = W.
        layer: the name of a module whose output is a map (N, C, H, W); None: the last there is.
        batch_size: images at a time.

    Raises:
        ModelError: no such layer, its output is no map, or no gradient comes through.
    """
    net = copy.deepcopy(module).eval().requires_grad_(False)
    rows = trace(net, images.shape[-1], images.shape[1], lambda layer: True).layers
    field = _choose([row for row in rows if row.size is not None], layer)
    units: list[Tensor] = []

    def after(module: nn.Module, args: tuple, output: Any) -> None:
        output = tree_leaves(output)[0]
        place[:] = (size // 2 for size in output.shape[-2:])
        units.append(output[..., place[0], place[1]].sum())

    place: list[int] = []
    net.get_submodule(field.name).register_forward_hook(after)
    weights = torch.zeros(images.shape[-2:], dtype=torch.float64)
    for batch in images.split(batch_size):
        batch = batch.detach().clone().requires_grad_()
        net(batch)
        (gradient,) = torch.autograd.grad(units[-1], batch)
        units.clear()
        weights += gradient.abs().double().sum((0, 1)).cpu()
    if not weights.sum() > 0:
        raise ModelError(f"no gradient of layer {field.name!r} reaches the image")
    box = (*field.height.bounds(place[0]), *field.width.bounds(place[1]))
    return EffectiveReceptiveField((weights / weights.sum()).float(), field, box)


def _choose(maps: list[LayerField], name: str | None) -> LayerField:
    """The last map of that name, or of any."""
    chosen = [row for row in maps if name in (None, row.name)]
    if not chosen:
        what = "module" if name is None else f"layer {name!r}"
        raise ModelError(f"no {what} of this net has a map as its output")
    return chosen[-1]
