"""Training the last layer alone, on the features of a net whose other weights stay as they are."""

from collections.abc import Sequence

from torch import nn


def freeze_features(net: nn.Module, new: Sequence[str] = ()) -> None:
    """Freeze all parameters except those of the last layer; leaves the net in `train_mode`.

    Args:
        net: the net.
        new: names of parameters of the last layer; empty: the layer registered last.
    """
    names = new or [name for name, _ in net.named_parameters()][-1:]
    trained = {name.rpartition(".")[0] for name in names}
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.rpartition(".")[0] in trained)
    train_mode(net)


def train_mode(net: nn.Module) -> None:
    """Put a net in train mode, but frozen layers in eval mode: their statistics stay too."""
    net.train()
    for module in net.modules():
        own = [*module.parameters(recurse=False)]
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()
