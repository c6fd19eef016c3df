"""Cost of a net: parameters, multiply-adds and training memory, in total and by layer."""

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
    """Cost of one call of a module without children.

    `output_shape` omits the batch; `macs` are multiply-adds per example. `kernel_size` and `stride`
    are (height, width), None for a layer without a window.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    kernel_size: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    parameters: int
    macs: int

    @property
    def activations(self) -> int:
        """Number of output values for one example."""
        return math.prod(self.output_shape)


@dataclass(frozen=True)
class Cost:
    """Totals of a net for one example, and its layers in the order of the forward pass.

    `macs` counts the multiply-adds of convolutions, linear layers and other matrix products,
    including functional calls; it omits biases, normalisation, pooling and activations. FLOPs are
    twice the MACs.
    """

    parameters: int
    macs: int
    layers: tuple[LayerCost, ...]


def cost(module: nn.Module, image_size: int, in_channels: int = 1) -> Cost:
    """Count parameters and MACs of `module` for one image (in_channels, image_size, image_size).

    Runs on the meta device, without arithmetic, and leaves `module` unchanged.
    """
    net = copy.deepcopy(module).to("meta").eval()
    counter = FlopCounterMode(display=False)
    layers: list[LayerCost] = []
    flops_before: dict[nn.Module, int] = {}

    def before(layer: nn.Module, args: tuple) -> None:
        flops_before[layer] = counter.get_total_flops()

    def after(layer: nn.Module, args: tuple, output: Any) -> None:
        first, *_ = tree_leaves(output)  # recurrent layers return several tensors
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
    """Bytes per example that training keeps between the forward and the backward pass.

    Counts each storage that autograd saves once, without parameters and buffers. Runs on the meta
    device, for float32 images (in_channels, image_size, image_size).
    """
    net = copy.deepcopy(module).to("meta").train()

    def saved(batch: int) -> int:
        images = torch.empty(batch, in_channels, image_size, image_size, device="meta")
        with _saved_storages() as storages:
            output = net(images)
        for tensor in (*net.parameters(), *net.buffers()):
            storages.pop(StorageWeakRef(tensor.untyped_storage()), None)
        del output  # kept the storages alive: a freed one's identity can be reused
        return sum(storages.values())

    # The difference excludes memory that does not grow with the batch, such as its statistics.
    return (saved(4) - saved(2)) // 2


@contextmanager
def _saved_storages() -> Iterator[dict[StorageWeakRef, int]]:
    """Sizes in bytes of the storages that autograd saves inside the context."""
    sizes: dict[StorageWeakRef, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[StorageWeakRef(storage)] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes


def _pair(value: int | tuple[int, ...] | None) -> tuple[int, ...] | None:
    if value is None or isinstance(value, tuple):
        return value
    return (value, value)
