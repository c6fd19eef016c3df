"""Nets that torchvision also defines are equal: the same weights give the same logits."""

import pytest
import torch
import torchvision

import lit_models

# Image size by name, which is the same in torchvision but for `alexnet_owt`. Nets whose linear
# layers fit the image have the 224 px for which torchvision's adaptive pooling changes nothing.
SIZES = {
    "alexnet_owt": 224,
    **{f"vgg{depth}{norm}": 224 for depth in (11, 13, 16, 19) for norm in ("", "_bn")},
    **{f"resnet{depth}": 32 for depth in (18, 34, 50, 101, 152)},
    **{"resnext50_32x4d": 32, "wide_resnet50_2": 32, "densenet121": 32},
    **{f"efficientnet_b{scale}": 32 for scale in range(8)},
}
# One net for each difference in code; the others differ in depth and width
DEFAULT = {
    *("alexnet_owt", "vgg11", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d"),
    *("densenet121", "efficientnet_b0", "efficientnet_b5"),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in DEFAULT else pytest.mark.slow) for name in SIZES],
)
def test_same_logits(name):
    image_size = SIZES[name]
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name.removesuffix("_owt"), weights=None).eval()
        ours = lit_models.build(name, in_channels=3, num_classes=1000, image_size=image_size).eval()
    weights = [*map(random_weights, theirs.state_dict().items())]
    for net in (theirs, ours):
        net.load_state_dict(dict(zip(net.state_dict(), weights, strict=True)), assign=True)
    images = torch.randn(1, 3, image_size, image_size)
    with torch.no_grad():
        expected, logits = theirs(images), ours(images)
    scale = expected.std()  # residual sums grow with depth
    assert scale > 0.1
    torch.testing.assert_close(logits / scale, expected / scale, rtol=0, atol=1e-5)


def random_weights(item):
    """Weights that preserve the scale of activations, and normalisation other than the identity."""
    name, tensor = item
    if not tensor.is_floating_point():
        return torch.zeros(tensor.shape, dtype=tensor.dtype)
    if name.endswith("running_var"):
        return torch.ones(tensor.shape).uniform_(0.5, 1.5)
    if name.endswith("running_mean") or name.endswith("bias"):
        return torch.empty(tensor.shape).uniform_(-0.1, 0.1)
    if tensor.dim() == 1:
        return torch.empty(tensor.shape).uniform_(0.5, 1.5)
    fan_in = tensor[0].numel()
    return torch.empty(tensor.shape).uniform_(-1, 1).mul_((6 / fan_in) ** 0.5)
