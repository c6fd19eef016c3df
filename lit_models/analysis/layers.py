"""What counts as a layer of a net."""

from torch import nn


def layers_of(net: nn.Module) -> dict[nn.Module, str]:
    """The names of all layers, in order of registration.

    A layer is a module without children. Parametrisations, as of weight or spectral normalisation,
    are part of the layer whose weight they compute.
    """
    return {
        module: name
        for name, module in net.named_modules()
        if "parametrizations" not in name.split(".")
        and all(child == "parametrizations" for child, _ in module.named_children())
    }
