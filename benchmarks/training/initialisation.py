"""Initialisation of a net's weights, by the protocol's scheme."""

import torch
from torch import Tensor, nn

# Mean and deviation of each channel of a hidden layer. A mean above zero starts most ReLUs alive
# (69 % of a normal distribution). At zero, narrow layers lose channels for good in the first steps.
HIDDEN_MEAN, HIDDEN_STD = 0.5, 1.0

# Those of the logits: all classes start alive and alike. Otherwise a net that ends in ReLU, such as
# NiN, starts with classes that no gradient reaches.
LOGIT_MEAN, LOGIT_STD = 1.0, 0.1

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def initialise(net: nn.Module, scheme: str, images: Tensor) -> None:
    """Set the weights of all convolutions, transposed convolutions and linear layers.

    Other layers keep PyTorch's initialisation.

    Args:
        net: on the device of `images`.
        scheme: `default` (PyTorch's), `xavier` (uniform; Glorot & Bengio, 2010, equation 16; biases
            stay PyTorch's) or `lsuv`.
        images: a batch of training images (N, C, H, W), for `lsuv`.

    Raises:
        ValueError: a scheme that is not implemented.
    """
    layers = [m for m in net.modules() if isinstance(m, LAYERS)]
    match scheme:
        case "default":
            pass
        case "xavier":
            for layer in layers:
                nn.init.xavier_uniform_(layer.weight)
        case "lsuv":
            _layer_sequential_unit_variance(net, layers, images)
        case _:
            raise ValueError(f"initialisation {scheme!r} is not implemented")


@torch.no_grad()
def _layer_sequential_unit_variance(
    net: nn.Module, layers: list[nn.Module], images: Tensor
) -> None:
    """Scale each layer so that its outputs on a batch have unit variance (Mishkin & Matas, 2016).

    Deviations: initial weights are normal instead of orthonormal, whose decomposition takes
    seconds for a large linear layer; biases give each channel the same mean; the last layer has its
    own mean and deviation; dropout is active, so the variance includes its noise. One pass suffices
    for all layers, since each passes its corrected output to the next. Layers that are not called,
    because other modules read their weights, keep PyTorch's initialisation.
    """

    reached: set[nn.Module] = set()

    def start(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        if layer not in reached:  # a layer may be called several times
            nn.init.normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def correct(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if layer in reached:
            return
        reached.add(layer)
        is_last = layer is layers[-1]
        target_std = LOGIT_STD if is_last else HIDDEN_STD
        target_mean = LOGIT_MEAN if is_last else HIDDEN_MEAN
        if layer.bias is not None:
            channel = output.dim() - 1 if isinstance(layer, nn.Linear) else 1
            mean = output.mean([d for d in range(output.dim()) if d != channel], keepdim=True)
            output -= mean
        scale = target_std / output.std()
        output *= scale
        layer.weight *= scale
        if layer.bias is not None:
            output += target_mean
            layer.bias.copy_(target_mean - mean.flatten() * scale)

    hooks = [layer.register_forward_pre_hook(start) for layer in layers]
    hooks += [layer.register_forward_hook(correct) for layer in layers]
    net.train()(images)
    for hook in hooks:
        hook.remove()
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
