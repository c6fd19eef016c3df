"""Initialisation of a net's weights, by the protocol's scheme."""

import torch
from torch import Tensor, nn

from lit_models.analysis.data_flow import last_layers

# Mean and deviation of each channel of a hidden layer. A mean above zero starts most ReLUs alive
# (69 % of a normal distribution). At zero, narrow layers lose channels for good in the first steps.
HIDDEN_MEAN, HIDDEN_STD = 0.5, 1.0

# Those of the logits: all classes start alive and alike. Otherwise a net that ends in ReLU, such as
# NiN, starts with classes that no gradient reaches.
LOGIT_MEAN, LOGIT_STD = 1.0, 0.1

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)

# An output varies if its deviation is above so much of its largest value: rounding is below.
SMALLEST_VARIATION = 1e-5


def initialise(net: nn.Module, scheme: str, images: Tensor) -> None:
    """Set the weights of all convolutions, transposed convolutions and linear layers.

    Other layers keep PyTorch's initialisation, and so do layers whose weight is frozen, or computed
    from other parameters, as by weight or spectral normalisation and pruning.

    Args:
        net: on the device of `images`.
        scheme: `default` (PyTorch's), `xavier` (uniform; Glorot & Bengio, 2010, equation 16; biases
            stay PyTorch's) or `lsuv`.
        images: a batch of training images (N, C, H, W), for `lsuv`.

    Raises:
        ValueError: a scheme that is not implemented.
    """
    layers = [m for m in net.modules() if isinstance(m, LAYERS) and _has_own_weight(m)]
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


def _has_own_weight(layer: nn.Module) -> bool:
    weight = dict(layer.named_parameters(recurse=False)).get("weight")
    return weight is not None and weight.requires_grad


@torch.no_grad()
def _layer_sequential_unit_variance(
    net: nn.Module, layers: list[nn.Module], images: Tensor
) -> None:
    """Scale each layer so that its outputs on a batch have unit variance (Mishkin & Matas, 2016).

    Deviations: initial weights are normal instead of orthonormal, whose decomposition takes
    seconds for a large linear layer; biases give each channel the same mean; the layers that make
    the logits have their own mean and deviation; dropout is active, so the variance includes its
    noise. One pass suffices for all layers, since each passes its corrected output to the next.
    Layers keep PyTorch's initialisation if they are not called, because other modules read their
    weights, or if their output does not vary, because they see no image.
    """

    def start(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        if layer not in reached:  # a layer may be called several times
            original[layer] = [parameter.clone() for parameter in layer.parameters()]
            nn.init.normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def correct(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor | None:
        if layer in reached:
            return None
        channel = output.dim() - 1 if isinstance(layer, nn.Linear) else 1
        others = [d for d in range(output.dim()) if d != channel]
        mean, largest = output.mean(others, keepdim=True), output.abs().max()
        if not (output - mean).std() > SMALLEST_VARIATION * largest:
            for parameter, value in zip(layer.parameters(), original.pop(layer), strict=True):
                parameter.copy_(value)
            return layer.forward(*inputs)
        reached.add(layer)
        del original[layer]
        target_std = LOGIT_STD if layer in last else HIDDEN_STD
        target_mean = LOGIT_MEAN if layer in last else HIDDEN_MEAN
        if layer.bias is not None:
            output -= mean
        scale = target_std / output.std()
        output *= scale
        layer.weight *= scale
        if layer.bias is not None:
            output += target_mean
            layer.bias.copy_(target_mean - mean.flatten() * scale)
        return None

    last = last_layers(net, tuple(images.shape[1:]), layers)
    reached: set[nn.Module] = set()
    original: dict[nn.Module, list[Tensor]] = {}
    hooks = [layer.register_forward_pre_hook(start) for layer in layers]
    hooks += [layer.register_forward_hook(correct) for layer in layers]
    outputs = net.train()(images)
    for hook in hooks:
        hook.remove()
    if len(last & reached) > 1:
        _share_logits(last & reached, outputs[0] if isinstance(outputs, tuple) else outputs)
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()


def _share_logits(heads: set[nn.Module], logits: Tensor) -> None:
    """Correct heads that were initialised as if each made the logits alone, and make them together.

    If the logits are a weighted sum of their outputs, they have their mean and deviation then.
    """
    scale, mean = LOGIT_STD / logits.std(), LOGIT_MEAN**2 / logits.mean()
    if not (scale.isfinite() and mean.isfinite()):
        return
    for head in heads:
        head.weight *= scale
        if head.bias is not None:
            head.bias.copy_(mean - (LOGIT_MEAN - head.bias) * scale)
