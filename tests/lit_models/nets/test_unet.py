import pytest
import torch
from torch import nn

import lit_models


def layers(net, image_size):
    """Kernel, channels and output side of each convolution, in the order of the forward pass."""
    found = []
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(
                lambda m, inputs, output: found.append(
                    (m.kernel_size[0], inputs[0].shape[1], output.shape[1], output.shape[-1])
                )
            )
    with torch.device("meta"):
        net(torch.empty(1, 1, image_size, image_size))
    return found


def test_the_published_net_layer_by_layer():
    """Figure 1; "in total the network has 23 convolutional layers" (section 2)."""
    with torch.device("meta"):
        net = lit_models.build("unet_wide", num_classes=2, image_size=64)
    down = [(1, 64, 64), (64, 128, 32), (128, 256, 16), (256, 512, 8), (512, 1024, 4)]
    expected = [
        convolution
        for before, after, side in down
        for convolution in ((3, before, after, side), (3, after, after, side))
    ]
    for before, after, side in ((1024, 512, 8), (512, 256, 16), (256, 128, 32), (128, 64, 64)):
        expected += [(2, before, after, side), (3, before, after, side), (3, after, after, side)]
    expected.append((1, 64, 2, 64))
    assert layers(net, 64) == expected
    assert len(expected) == 23


def test_the_canonical_net_has_a_quarter_of_the_channels():
    with torch.device("meta"):
        narrow, wide = (
            layers(lit_models.build(n, image_size=48), 48) for n in ("unet", "unet_wide")
        )
    for (_, _, before, _), (_, _, after, _) in zip(narrow[:-1], wide[:-1], strict=True):
        assert before * 4 == after


@pytest.mark.parametrize("level", range(4))
def test_every_level_has_a_skip(level):
    """Without the up-convolution of a level, logits still depend on the image."""
    net = lit_models.build("unet", image_size=37).eval()
    images = torch.randn(2, 1, 37, 37)
    cut = net.up[level].up
    nn.init.zeros_(cut.weight)
    nn.init.zeros_(cut.bias)
    with torch.no_grad():
        first, second = net(images)
    assert not torch.allclose(first, second)


def test_logits_are_aligned_with_pixels():
    """A change at one pixel changes nearby logits the most, at odd sizes too."""
    net = lit_models.build("unet", image_size=45).eval()
    images = torch.zeros(1, 1, 45, 45)
    moved = images.clone()
    moved[..., 31, 13] = 5
    with torch.no_grad():
        change = (net(moved) - net(images)).abs().sum(1)[0]
    row, column = divmod(int(change.argmax()), 45)
    assert abs(row - 31) <= 4
    assert abs(column - 13) <= 4
