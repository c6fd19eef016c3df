"""What a net costs without training it: parameters, multiply-adds, and a table by layer."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class LayerCost:
    """One module without children, in the order in which the forward pass reaches it.

    `output_shape` leaves out the batch; `macs` are multiply-adds an example.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Cost:
    """Totals of a net for one example, and its layers.

    `macs` counts the multiply-adds of convolutions and linear layers, those of functional calls
    too; bias, normalisation, pooling and activations are left out. FLOPs are twice the MACs.
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

    def after(layer: nn.Module, args: tuple, output: Tensor) -> None:
        layers.append(
            LayerCost(
                name=layer_names[layer],
                kind=type(layer).__name__,
                output_shape=tuple(output.shape[1:]),
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
