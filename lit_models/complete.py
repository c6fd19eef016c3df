"""Nets that are complete only after a first forward pass: lazy layers, buffers made on the way."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from lit_models.dry_run import dry_run
from lit_models.entries import ModelError, one_line
from lit_models.mistakes import MISTAKES, explain


def complete(net: nn.Module, name: str, shape: tuple[int, ...]) -> nn.Module:
    """Run `net` once if that makes parameters or buffers, so that it has them from the start.

    Weights that a lazy layer draws come from PyTorch's random numbers, like those of other layers.

    Args:
        net: as it was built.
        name: of the net, for messages.
        shape: of an image, (C, H, W).

    Raises:
        ModelError: lazy layers that do not fit such images, or are never called.
    """
    if not _lazy(net) and not _makes_tensors(net, shape):
        return net
    images = torch.zeros(2, *shape, device=_device(net))
    modes = {module: module.training for module in net.modules()}
    try:
        for training in (False, True):
            if training and not _lazy(net):
                break
            with torch.no_grad():
                net.train(training)(images)
    except MISTAKES as error:
        raise misfit(name, shape, error) from error
    for module, mode in modes.items():
        module.training = mode
    if lazy := _lazy(net):
        raise ModelError(f"{name} never calls {lazy[0]}, a lazy layer: nothing sets its size")
    return net


def misfit(name: str, shape: tuple[int, ...], error: Exception) -> ModelError:
    """The refusal of a net that raised `error` for images of this shape."""
    image = " x ".join(map(str, shape))
    return ModelError(f"{name} cannot take images of {image}: {explain(error) or one_line(error)}")


def _lazy(net: nn.Module) -> list[str]:
    """Names of the layers whose parameters or buffers have no size yet."""
    return [
        key
        for key, module in net.named_modules()
        if any(map(is_lazy, [*module.parameters(recurse=False), *module.buffers(recurse=False)]))
    ]


def _makes_tensors(net: nn.Module, shape: tuple[int, ...]) -> bool:
    before = _names(net)
    try:
        with torch.no_grad():
            return dry_run(net, shape, lambda f: (f(f.images(2)), _names(net))[1]) != before
    except MISTAKES:
        return False  # `check` says why


def _names(net: nn.Module) -> set[str]:
    return {key for key, _ in [*net.named_parameters(), *net.named_buffers()]}


def _device(net: nn.Module) -> torch.device:
    tensors = [*net.parameters(), *net.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")
