"""Every field compared with the pixels whose gradient is not zero."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import lit_models

REPLACED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d)


class Positive(TorchFunctionMode):
    """Replaces operations with weights by positive averages, so no path vanishes or cancels.

    Parameters may be on the meta device: only the shapes of weights are used. Maximum pooling,
    which has a single gradient, becomes average pooling of the same geometry. Normalisation with
    fixed statistics and tanh, which saturates, become the identity. Without `gates`, means over all
    positions pass no gradient.
    """

    def __init__(self, gates=False):
        super().__init__()
        self.gates = gates

    def __torch_function__(self, func, types, args=(), kwargs=None):
        stand_in = getattr(self, func.__name__, func)
        return stand_in(*args, **(kwargs or {}))

    def conv2d(self, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        x, kernel = self._mixed(x, weight)
        return F.conv2d(x, kernel, None, stride, padding, dilation).repeat(1, len(weight), 1, 1)

    def conv_transpose2d(
        self, x, weight, bias=None, stride=1, padding=0, extra=0, groups=1, dilation=1
    ):
        x, kernel = self._mixed(x, weight)
        out = F.conv_transpose2d(x, kernel, None, stride, padding, extra, 1, dilation)
        return out.repeat(1, weight.shape[1] * groups, 1, 1)

    def _mixed(self, x, weight):
        return x.mean(1, keepdim=True), torch.full((1, 1, *weight.shape[2:]), 0.5 / 9).to(x)

    def linear(self, x, weight, bias=None):
        return x.mean(-1, keepdim=True).repeat_interleave(len(weight), -1)

    def batch_norm(self, x, *args, **kwargs):
        return x * 1.0

    def tanh(self, x):
        return x * 1.0

    def max_pool2d(
        self, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **kwargs
    ):
        if dilation == 1:
            return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode)
        weight = torch.empty(x.shape[1], 1, kernel_size, kernel_size)
        return self.conv2d(x, weight, None, stride or kernel_size, padding, dilation)

    def adaptive_avg_pool2d(self, x, output_size):
        gate = output_size in (1, (1, 1)) and not self.gates
        return F.adaptive_avg_pool2d(x.detach() if gate else x, output_size)

    def mean(self, x, *args, **kwargs):
        return (x if self.gates else x.detach()).mean(*args, **kwargs)


def check_against_gradients(net, image_size, in_channels=1, most=4):
    """Compare the bounds of the first, a middle and the last position of up to `most` maps."""
    rows = lit_models.receptive_field(net, image_size, in_channels).layers
    net.to("meta").eval()
    for module in net.modules():
        if not isinstance(module, REPLACED):
            for key, parameter in module.named_parameters(recurse=False):
                setattr(module, key, nn.Parameter(torch.ones(parameter.shape).double()))
    image = torch.full((1, in_channels, image_size, image_size), 0.01).double().requires_grad_()
    outputs = []
    for module in net.modules():
        if not [*module.children()]:
            # The copy excludes later in-place operations on the output.
            module.register_forward_hook(lambda module, args, output: outputs.append(output * 1))
    with Positive():
        net(image)
    assert len(outputs) == len(rows)
    maps = [(row, out) for row, out in zip(rows, outputs, strict=True) if row.size]
    compared = 0
    for i in range(most):
        row, output = maps[(len(maps) - 1) * i // (most - 1)]
        for place in ([0, 0], [size // 2 for size in output.shape[2:]], [-1, -1]):
            unit = output[:, :, place[0], place[1]].sum()
            (gradient,) = torch.autograd.grad(unit, image, retain_graph=True)
            pixels = gradient.abs().sum((0, 1)).nonzero().T
            for axis, position, size, seen in zip(
                (row.height, row.width), place, output.shape[2:], pixels, strict=True
            ):
                first, last = axis.bounds(position % size)
                assert seen.min() == max(first, 0), row
                if last < image_size:
                    assert seen.max() == last, row
                else:  # strides may skip the last pixels
                    assert image_size - max(axis.jump, 1) <= seen.max() < image_size, row
                compared += first > 0 and last < image_size - 1
    return compared


def test_registered_nets_agree_with_their_gradients(every_model):
    image_size = max(lit_models.entry(every_model).min_size, 160)
    with torch.device("meta"):
        net = lit_models.build(every_model, image_size=image_size)
    assert check_against_gradients(net, image_size)


@pytest.mark.parametrize(
    ("name", "image_size"),
    [
        ("googlenet", 192),
        ("densenet121", 128),
        ("inception_v3", 299),
        ("efficientnet_b0", 160),
        ("mobilenet_v2", 160),
        ("fcn_resnet50", 96),
        ("deeplabv3_resnet50", 96),
    ],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization")
def test_nets_with_branches_agree_with_their_gradients(name, image_size):
    without = {"weights_backbone": None} if "_resnet" in name else {}
    with torch.device("meta"):
        net = torchvision.models.get_model(name, weights=None, **without)
    assert check_against_gradients(net, image_size, 3)


def bottleneck(x, w):
    """Two poolings, two kinds of upsampling, and a skip connection."""
    down = F.max_pool2d(F.conv2d(F.max_pool2d(x, 2), w, padding=1), 2)
    up = F.conv_transpose2d(down, w[:, :, :2, :2], stride=2)
    return F.conv2d(F.interpolate(up, scale_factor=2), w, padding=1) + F.conv2d(x, w, padding=1)


def channels_last(x, w):
    x = F.linear(x.permute(0, 2, 3, 1)[:, ::2, 1:], w[:, :, 0, 0])
    return F.conv2d(x.permute(0, 3, 1, 2), w)


def tokens(x, w):
    """Positions flattened to one dimension and restored, as in transformers."""
    x = F.conv2d(x, w)
    height, width = x.shape[2:]
    x = F.linear(x.flatten(2).transpose(1, 2), w[:, :, 0, 0])
    return F.conv2d(x.transpose(1, 2).unflatten(2, (height, width)), w)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: F.conv2d(x, w, stride=2, dilation=3),
        lambda x, w: F.conv2d(F.conv2d(x, w[:, :, :1]), w[..., :2], stride=(1, 2)),
        lambda x, w: F.conv2d(F.pad(x, (2, 1, 0, 2)), w),
        lambda x, w: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), w),
        lambda x, w: F.conv2d(F.pad(x, (-3, -1, -2, 0, 0, 2))[:, 1:3], w, stride=2),
        lambda x, w: F.max_pool2d(F.conv2d(x, w), 3, 2, ceil_mode=True),
        lambda x, w: F.conv2d(F.max_pool2d(x, 2, stride=1, dilation=2), w),
        lambda x, w: F.conv2d(x[:, :, 1::2, 3:-2:3], w),
        lambda x, w: F.conv_transpose2d(F.conv2d(x, w, stride=2), w, stride=2, padding=1),
        lambda x, w: F.conv2d(F.conv_transpose2d(x, w, stride=3, dilation=2), w),
        lambda x, w: F.conv2d(F.interpolate(x, scale_factor=3), w),
        lambda x, w: F.conv2d(F.interpolate(x, scale_factor=1.5), w),
        lambda x, w: F.interpolate(x, scale_factor=4)[:, :, 1::3, ::6],
        lambda x, w: F.interpolate(F.conv2d(x, w), scale_factor=2, mode="bilinear"),
        lambda x, w: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        lambda x, w: F.conv2d(F.interpolate(x, size=(27, 17), mode="bilinear"), w),
        lambda x, w: F.interpolate(x, size=24, mode="nearest-exact"),
        lambda x, w: F.adaptive_avg_pool2d(F.conv2d(x, w), 7),
        lambda x, w: torch.cat([F.conv2d(x, w), x[:, :, 1:-1, 1:-1]], 1),
        lambda x, w: F.local_response_norm(F.conv2d(x, w), 2),
        bottleneck,
        channels_last,
        tokens,
    ],
)
def test_functions_agree_with_their_gradients(as_net, function):
    assert check_against_gradients(as_net(function), 40, 2)


def gated(x, w):
    x = F.conv2d(x, w, padding=1)
    return x * F.adaptive_avg_pool2d(x, 1).sigmoid()


def test_a_gate_keeps_the_local_field_and_sees_the_whole_image(as_net):
    net = as_net(gated)
    field = lit_models.receptive_field(net, 20, 2)
    assert (field.size, field.sees_all) == (3, True)
    image = torch.ones(1, 2, 20, 20, requires_grad=True)
    for gates, pixels in ((False, 9), (True, 400)):
        with Positive(gates):
            unit = net(image)[..., 10, 10].sum()
        (gradient,) = torch.autograd.grad(unit, image)
        assert gradient[0, 0].count_nonzero() == pixels
