import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lit_models
from lit_models.nets.fcn import upsampling


@pytest.mark.parametrize("image_size", [32, 75, 96])
def test_maps_at_strides_8_16_and_32_are_scored(image_size):
    net = lit_models.build("fcn", num_classes=5, image_size=image_size).eval()
    shapes = {}
    for name in ("score8", "score16", "score32"):
        net.get_submodule(name).register_forward_hook(
            lambda m, inputs, output, name=name: shapes.update({name: inputs[0].shape[1:]})
        )
    net(torch.zeros(1, 1, image_size, image_size))
    for name, channels, stride in (("score8", 128, 8), ("score16", 256, 16), ("score32", 512, 32)):
        side = -(-image_size // stride)
        assert shapes[name] == (channels, side, side)


def test_the_backbone_is_resnet18():
    fcn, resnet18 = (lit_models.build(name, image_size=64) for name in ("fcn", "resnet18"))
    fcn.features.load_state_dict(resnet18.features.state_dict())
    images = torch.randn(2, 1, 64, 64)
    assert torch.equal(fcn.eval().features(images), resnet18.eval().features(images))


@pytest.mark.parametrize("by", [2, 8])
def test_upsampling_with_bilinear_filters_is_bilinear_interpolation(by):
    layer = upsampling(1, by)
    centre = by - 0.5
    line = 1 - (torch.arange(2 * by) - centre).abs() / by
    with torch.no_grad():
        layer.weight.copy_(line[:, None] * line)
        nn.init.zeros_(layer.bias)
        maps = torch.randn(2, 1, 5, 5)
        ours, theirs = layer(maps), F.interpolate(maps, scale_factor=by, mode="bilinear")
    assert ours.shape == theirs.shape
    inner = slice(by, -by)  # at the border, interpolation repeats the last value
    torch.testing.assert_close(ours[..., inner, inner], theirs[..., inner, inner])


@pytest.mark.parametrize("score", ["score8", "score16", "score32"])
def test_logits_depend_on_every_stride(score):
    net = lit_models.build("fcn", image_size=64).eval()
    images = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        before = net(images)
        net.get_submodule(score).weight.mul_(2)
        assert not torch.allclose(net(images), before)
