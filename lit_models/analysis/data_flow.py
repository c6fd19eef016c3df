"""What reaches the output of a net, found in the graph that autograd records."""

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lit_models.dry_run import Forward, dry_run

# Nodes of products, as of a functional convolution or attention
_PRODUCT = re.compile(r"(Convolution|Linear|(add|badd)?(b?mm|mv)|ScaledDotProduct)", re.IGNORECASE)


def last_layers(
    net: nn.Module, shape: tuple[int, ...], layers: Iterable[nn.Module]
) -> set[nn.Module]:
    """Those of `layers` that make the logits: no other product lies between them and the output.

    Of several outputs, as of a net with auxiliary classifiers, the logits are the first.

    Args:
        net: in train mode, a net that returns logits.
        shape: of an image, (C, H, W).
        layers: convolutions and linear layers of the net.
    """

    def find(forward: Forward) -> set[nn.Module]:
        made: dict[Any, nn.Module] = {}

        def after(layer: nn.Module, args: tuple, output: Tensor) -> None:
            made[output.grad_fn] = layer

        for layer in layers:
            layer.register_forward_hook(after)
        output = _differentiable(forward)[0]
        found, seen, pending = set(), set(), [output.grad_fn]
        while pending:
            node = pending.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if node in made:
                found.add(made[node])
            elif not _PRODUCT.match(node.name()):
                pending += [before for before, _ in node.next_functions]
        return found

    return dry_run(net, shape, find, training=True)


def unused_parameters(net: nn.Module, shape: tuple[int, ...]) -> list[str]:
    """Names of the trainable parameters that no output of the net in train mode depends on."""

    def find(forward: Forward) -> list[str]:
        trained = {name: p for name, p in forward.weights.items() if p.requires_grad}
        outputs = _differentiable(forward)
        gradients = torch.autograd.grad(
            outputs, [*trained.values()], [*map(torch.ones_like, outputs)], allow_unused=True
        )
        return [name for name, each in zip(trained, gradients, strict=True) if each is None]

    return dry_run(net, shape, find, training=True)


def _differentiable(forward: Forward) -> list[Tensor]:
    """The outputs for two images that depend on any weight or image."""
    with torch.enable_grad():
        outputs = tree_leaves(forward(forward.images(2).requires_grad_()))
    return [out for out in outputs if isinstance(out, Tensor) and out.requires_grad]
