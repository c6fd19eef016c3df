"""What counts as a layer of a net."""

from torch import nn

_KNOWN = (nn.modules.conv._ConvNd, nn.Linear)


def layers_of(net: nn.Module) -> dict[nn.Module, str]:
    """The names of all layers, in order of registration.

    A layer is a module without children, or a convolution or linear layer of a class of its own.
    What these contain is part of them, such as a padding layer. So are parametrisations, as of
    weight or spectral normalisation, part of the layer whose weight they compute.
    """
    layers: dict[nn.Module, str] = {}
    within = None  # what the names of the parts of the last layer begin with
    for name, module in net.named_modules():
        is_part = within is not None and name.startswith(within)
        if is_part or "parametrizations" in name.split("."):
            continue
        children = [child for child, _ in module.named_children()]
        if isinstance(module, _KNOWN) or all(child == "parametrizations" for child in children):
            layers[module] = name
            within = f"{name}." if name else ""
    return layers
