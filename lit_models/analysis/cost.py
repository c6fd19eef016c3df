"""Cost of a net: parameters, multiply-adds and training memory, in total and by layer."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

from lit_models.analysis.counting import counting
from lit_models.analysis.layers import layers_of
from lit_models.dry_run import Forward, dry_run


@dataclass(frozen=True)
class LayerCost:
    """Cost of a layer (see `layers_of`).

    `calls` is how often a forward pass calls the layer. `output_shape`, of the last call, omits the
    batch; `macs` and `activations`, the number of output values, are those of all calls for one
    example. `parameters` omits those that an earlier layer shares. `kernel_size` and `stride` are
    (height, width), None for a layer without a window.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    kernel_size: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    parameters: int
    macs: int
    activations: int
    calls: int = 1


@dataclass(frozen=True)
class Cost:
    """Totals of a net for one example, and its layers in the order of their first calls.

    `macs` counts the multiply-adds of convolutions, linear layers and other matrix products,
    including functional calls; it omits biases, normalisation, pooling and activations. FLOPs are
    twice the MACs. `uncounted` names the operations that multiply and cannot be counted: if there
    are any, `macs` is at least what it says.
    """

    parameters: int
    macs: int
    layers: tuple[LayerCost, ...]
    uncounted: tuple[str, ...] = ()


def cost(module: nn.Module, image_size: int, in_channels: int = 1) -> Cost:
    """Count parameters and MACs of `module` for one image (in_channels, image_size, image_size).

    Runs without arithmetic where the net permits it, and leaves `module` unchanged.
    """
    names = layers_of(module)

    def count(forward: Forward) -> Cost:
        layers: dict[nn.Module, LayerCost] = {}
        flops_before: dict[nn.Module, int] = {}
        seen: set[nn.Parameter] = set()

        def before(layer: nn.Module, args: tuple) -> None:
            flops_before[layer] = counted.flops

        def after(layer: nn.Module, args: tuple, output: Any) -> None:
            macs = (counted.flops - flops_before[layer]) // 2
            first, *_ = tree_leaves(output)  # recurrent layers return several tensors
            shape = tuple(first.shape[1:]) if isinstance(first, Tensor) else ()
            if layer in layers:
                row = layers[layer]
                layers[layer] = replace(
                    row,
                    output_shape=shape,
                    macs=row.macs + macs,
                    activations=row.activations + math.prod(shape),
                    calls=row.calls + 1,
                )
                return
            own = [p for p in parameters[layer] if p not in seen]
            seen.update(own)
            layers[layer] = LayerCost(
                name=names[layer],
                kind=type(layer).__name__,
                output_shape=shape,
                kernel_size=_pair(getattr(layer, "kernel_size", None)),
                stride=_pair(getattr(layer, "stride", None)),
                parameters=sum(p.numel() for p in own),
                macs=macs,
                activations=math.prod(shape),
            )

        for layer in names:
            layer.register_forward_pre_hook(before)
            layer.register_forward_hook(after)
        with counting() as counted, torch.no_grad():
            forward(forward.images(1))
        total = sum(p.numel() for p in module_parameters)
        return Cost(total, counted.flops // 2, tuple(layers.values()), counted.uncounted)

    # A dry run may exchange the parameters.
    parameters = {layer: [*layer.parameters()] for layer in names}
    module_parameters = [*module.parameters()]
    return dry_run(module, (in_channels, image_size, image_size), count)


def training_memory(module: nn.Module, image_size: int, in_channels: int = 1) -> int:
    """Bytes per example that training keeps between the forward and the backward pass.

    Counts each storage that autograd saves once, without parameters and buffers, for float32 images
    (in_channels, image_size, image_size). Runs as `cost` does.
    """

    def measure(forward: Forward) -> int:
        def saved(batch: int) -> int:
            with _saved_storages() as storages:
                output = forward(forward.images(batch))
            for tensor in forward.weights.values():
                storages.pop(StorageWeakRef(tensor.untyped_storage()), None)
            del output  # kept the storages alive: a freed one's identity can be reused
            return sum(storages.values())

        # The difference excludes memory that does not grow with the batch, such as its statistics.
        return (saved(4) - saved(2)) // 2

    return dry_run(module, (in_channels, image_size, image_size), measure, training=True)


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


def _pair(value: Any) -> tuple[int, ...] | None:
    """An attribute of a layer as (height, width); None if it is no size."""
    if isinstance(value, int):
        return (value, value)
    return tuple(value) if isinstance(value, list | tuple) else None
