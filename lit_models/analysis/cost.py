"""What a net costs without training it: parameters, multiply-adds, and a table by layer."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class LayerCost:
    """One module without children, in the order in which the forward pass reaches it.

    `output_shape` leaves out the batch; `macs` are multiply-adds an example. `kernel_size` and
    `stride` are (height, width), None for a layer without a window.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    kernel_size: tuple[int, int] | None
    stride: tuple[int, int] | None
    parameters: int
    macs: int

    @property
    def activations(self) -> int:
        """Numbers in the output for one example."""
        return math.prod(self.output_shape)


@dataclass(frozen=True)
class Cost:
    """Totals of a net for one example, and its layers.

    `macs` counts the multiply-adds of convolutions, linear layers and other matrix products, those
    of functional calls too; bias, normalisation, pooling and activations are left out. FLOPs are
    twice the MACs.
    """

    parameters: int
    macs: int
    layers: tuple[LayerCost, ...]


def cost(module: nn.Module, image_size: int, in_channels: int = 1) -> Cost:
    """Count parameters and MACs of `module` for one image (in_channels, image_size, image_size).

    Runs on the meta device: no arithmetic is done and `module` is left as it was.
    """
    net = copy.deepcopy(module).to("meta").eval()
    counter = FlopCounterMode(display=False)
    layers: list[LayerCost] = []
    flops_before: dict[nn.Module, int] = {}

    def before(layer: nn.Module, args: tuple) -> None:
        flops_before[layer] = counter.get_total_flops()

    def after(layer: nn.Module, args: tuple, output: Any) -> None:
        (first, *_) = tree_leaves(output)  # recurrent layers return more than one
        layers.append(
            LayerCost(
                name=layer_names[layer],
                kind=type(layer).__name__,
                output_shape=tuple(first.shape[1:]),
                kernel_size=_pair(getattr(layer, "kernel_size", None)),
                stride=_pair(getattr(layer, "stride", None)),
                parameters=sum(p.numel() for p in layer.parameters()),
                macs=(counter.get_total_flops() - flops_before[layer]) // 2,
            )
        )

    layer_names = {layer: name for name, layer in net.named_modules() if not [*layer.children()]}
    for layer in layer_names:
        layer.register_forward_pre_hook(before)
        layer.register_forward_hook(after)
    with counter, torch.no_grad():
        net(torch.empty(1, in_channels, image_size, image_size, device="meta"))
    return Cost(
        parameters=sum(p.numel() for p in module.parameters()),
        macs=counter.get_total_flops() // 2,
        layers=tuple(layers),
    )


def training_memory(module: nn.Module, image_size: int, in_channels: int = 1) -> int:
    """Bytes that training keeps of one example between its forward and its backward pass.

    Counted where autograd saves them, on the meta device, for float32 images (in_channels,
    image_size, image_size): each storage once, parameters and buffers left out.
    """
    net = copy.deepcopy(module).to("meta").train()

    def saved(batch: int) -> int:
        images = torch.empty(batch, in_channels, image_size, image_size, device="meta")
        with _saved_storages() as storages:
            output = net(images)
        for tensor in (*net.parameters(), *net.buffers()):
            storages.pop(StorageWeakRef(tensor.untyped_storage()), None)
        del output  # it held the storages, whose identity would else be used again
        return sum(storages.values())

    # What does not grow with the batch, such as its statistics, is not an example's.
    return (saved(4) - saved(2)) // 2


@contextmanager
def _saved_storages() -> Iterator[dict[StorageWeakRef, int]]:
    """Sizes in bytes of the storages that autograd saves meanwhile."""
    sizes: dict[StorageWeakRef, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[StorageWeakRef(storage)] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes


def _pair(value: int | tuple[int, ...] | None) -> tuple[int, int] | None:
    if value is None or isinstance(value, tuple):
        return value
    return (value, value)
