import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import lit_models


class Function(nn.Module):
    """A net that is one function, with a convolution's weight at hand."""

    def __init__(self, function, kernel_size=3, channels=2):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.rand(channels, channels, kernel_size, kernel_size) + 0.5)

    def forward(self, x):
        return self.function(x, self.weight)


def bottleneck(x, w):
    """Down to a quarter, up again by two ways of upsampling, and a skip connection."""
    down = F.max_pool2d(F.conv2d(F.max_pool2d(x, 2), w, padding=1), 2)
    up = F.conv_transpose2d(down, w[:, :, :2, :2], stride=2)
    return F.conv2d(F.interpolate(up, scale_factor=2), w, padding=1) + F.conv2d(x, w, padding=1)


def channels_last(x, w):
    x = F.linear(x.permute(0, 2, 3, 1)[:, ::2, 1:], w[:, :, 0, 0])
    return F.conv2d(x.permute(0, 3, 1, 2), w)


def tokens(x, w):
    """Positions in one dimension and out of it again, as transformers do."""
    x = F.conv2d(x, w)
    height, width = x.shape[2:]
    x = F.linear(x.flatten(2).transpose(1, 2), w[:, :, 0, 0])
    return F.conv2d(x.transpose(1, 2).unflatten(2, (height, width)), w)


def column(rows, name):
    return [getattr(row, name) for row in rows]


# What is published or was derived by hand


def test_lenet_5():
    net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.AvgPool2d(2))
    layers = lit_models.receptive_field(net, 32).layers
    assert column(layers, "size") == [5, 6, 14, 16]
    assert column(layers, "jump") == [1, 2, 2, 4]
    assert column(layers, "offset") == [2.5, 3.0, 7.0, 8.0]


def test_a_net_with_padding_and_a_stride_of_three():
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 16, 5, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 3, 5, stride=3, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
    layers = lit_models.receptive_field(net, 229, 3).layers
    assert column(layers, "size") == [3, 3, 5, 5, 6, 14, 14, 30, 30, 42]
    assert column(layers, "jump") == [1, 1, 1, 1, 2, 4, 4, 12, 12, 24]
    assert column(layers, "offset") == [1.5, 1.5, 2.5, 2.5, 3, 5, 5, 5, 5, 11]


def test_alexnet():
    net = torchvision.models.alexnet()
    rows = lit_models.receptive_field(net, 224, 3).layers
    rows = [row for row in rows if row.kind in ("Conv2d", "MaxPool2d")]
    assert column(rows, "size") == [11, 19, 51, 67, 99, 131, 163, 195]
    assert column(rows, "jump") == [4, 8, 8, 16, 16, 16, 16, 32]


def strided_as_published(net):
    """Bottlenecks that stride in their first convolution, as in the paper."""
    for module in net.modules():
        if isinstance(module, torchvision.models.resnet.Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride
    return net


def mobilenet_v1():
    strides = [2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    layers = [nn.Conv2d(3, 4, 3, strides[0], padding=1)]
    for stride in strides[1:]:
        layers += [nn.Conv2d(4, 4, 3, stride, padding=1, groups=4), nn.Conv2d(4, 4, 1)]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (torchvision.models.vgg16, 212),
        (mobilenet_v1, 315),
        (lambda: strided_as_published(torchvision.models.resnet50()), 483),
        (lambda: strided_as_published(torchvision.models.resnet101()), 1027),
        (lambda: strided_as_published(torchvision.models.resnet152()), 1507),
        (torchvision.models.inception_v3, 1311),
    ],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization")
def test_published_sizes(make, size):
    """The table of Araujo et al., 2019."""
    with torch.device("meta"):
        net = make()
    assert lit_models.receptive_field(net, 224, 3).size == size


# Every field against the pixels that have a gradient


class Positive(TorchFunctionMode):
    """Replaces what has weights by positive averages, so that no path dies or cancels.

    Parameters may be on the meta device: of weights, the shape alone counts. Maximum pooling, which
    has one gradient only, becomes average pooling of the same geometry; normalisation with fixed
    statistics, identity. Without `gates`, means over all positions pass no gradient.
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
    """Compare bounds of the first, a middle and the last position of up to `most` maps."""
    rows = lit_models.receptive_field(net, image_size, in_channels).layers
    net.to("meta").eval()
    image = torch.full((1, in_channels, image_size, image_size), 0.01).double().requires_grad_()
    outputs = []
    for module in net.modules():
        if not [*module.children()]:
            # What a later operation writes into the output is not seen by the layer.
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
                else:  # strides may leave out the last pixels
                    assert image_size - max(axis.jump, 1) <= seen.max() < image_size, row
                compared += first > 0 and last < image_size - 1
    return compared


@pytest.mark.parametrize("name", lit_models.names())
def test_registered_nets_agree_with_their_gradients(name):
    image_size = max(lit_models.entry(name).min_size, 160)
    with torch.device("meta"):
        net = lit_models.build(name, image_size=image_size)
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
def test_functions_agree_with_their_gradients(function):
    assert check_against_gradients(Function(function), 40, 2)


# What has no place


def gated(x, w):
    x = F.conv2d(x, w, padding=1)
    return x * F.adaptive_avg_pool2d(x, 1).sigmoid()


def test_a_gate_keeps_the_local_field_and_sees_all():
    net = Function(gated)
    field = lit_models.receptive_field(net, 20, 2)
    assert (field.size, field.sees_all) == (3, True)
    image = torch.ones(1, 2, 20, 20, requires_grad=True)
    for gates, pixels in ((False, 9), (True, 400)):
        with Positive(gates):
            unit = net(image)[..., 10, 10].sum()
        (gradient,) = torch.autograd.grad(unit, image)
        assert gradient[0, 0].count_nonzero() == pixels


def test_efficientnet_sees_all_from_its_first_gate_on():
    layers = lit_models.receptive_field(torchvision.models.efficientnet_b0(), 224, 3).layers
    gates = [i for i, layer in enumerate(layers) if layer.kind == "AdaptiveAvgPool2d"]
    assert not any(layer.sees_all for layer in layers[: gates[0]])
    assert all(layer.sees_all for layer in layers[gates[0] :])
    convolutions = [layer for layer in layers if layer.kind == "Conv2d"]
    assert max(layer.size for layer in convolutions if layer.size) == 851


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: x.mean((2, 3)),
        lambda x, w: F.adaptive_max_pool2d(x, 1),
        lambda x, w: F.linear(x.flatten(1), w.new_empty(5, 800)),
        lambda x, w: x.amax((-2, -1), keepdim=True).expand(-1, -1, 20, 20),
        lambda x, w: F.interpolate(F.conv2d(x.mean((2, 3), keepdim=True), w[..., :1, :1]), 20),
    ],
)
def test_what_is_no_map_sees_all(function):
    (layer,) = lit_models.receptive_field(Function(function), 20, 2).layers
    assert (layer.size, layer.jump, layer.offset, layer.sees_all) == (None, None, None, True)


def test_group_normalisation_sees_all():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4))
    layers = lit_models.receptive_field(net, 9).layers
    assert column(layers, "sees_all") == [False, True]
    assert column(layers, "size") == [3, 3]


def test_positions_that_see_nothing():
    net = nn.ConvTranspose2d(1, 1, kernel_size=1, stride=2)
    field = lit_models.receptive_field(net, 8)
    assert (field.size, field.jump) == (1, 0.5)
    assert field.height.bounds(5) == (float("inf"), float("-inf"))


def test_height_and_width_apart():
    net = nn.Conv2d(1, 1, (1, 7), stride=(2, 1))
    field = lit_models.receptive_field(net, 20)
    assert (field.size, field.jump, field.offset) == ((1, 7), (2, 1), (0.5, 3.5))


def write_into_a_part(x, w):
    y = x.new_zeros(x.shape)
    y[:, :1] = F.conv2d(x, w, padding=1)[:, :1]
    return y


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, w: x.cumsum(2), "aten.cumsum"),
        (lambda x, w: x.roll(1, 3), "aten.roll"),
        (lambda x, w: F.pixel_unshuffle(x, 2), "aten.pixel_unshuffle"),
        (lambda x, w: x @ x, "aten.bmm"),
        (lambda x, w: torch.cat([x, x], 2), "aten.cat"),
        (lambda x, w: x[:, :, 3], "aten.select"),
        (lambda x, w: x + x.transpose(2, 3), "aten.add"),
        (lambda x, w: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), w), "aten.copy_"),
        (lambda x, w: x + F.interpolate(F.max_pool2d(x[:, :, 1:, 1:], 2), 20), "unlike jumps"),
        (write_into_a_part, "aten.copy_"),
    ],
)
def test_what_cannot_be_followed_is_named(function, message):
    with pytest.raises(lit_models.ModelError, match=message):
        lit_models.receptive_field(Function(function), 20, 2)


# The report


def test_rows_are_those_of_the_cost():
    for name in lit_models.names():
        with torch.device("meta"):
            net = lit_models.build(name)
        rows = lit_models.receptive_field(net, 224).layers
        costs = lit_models.cost(net, 224).layers
        assert [(row.name, row.kind) for row in rows] == [(row.name, row.kind) for row in costs]


def test_classifiers_end_in_rows_that_see_all():
    for name in lit_models.names():
        with torch.device("meta"):
            net = lit_models.build(name)
        field = lit_models.receptive_field(net, 224)
        assert field.size is not None
        if lit_models.entry(name).task == lit_models.CLASSIFICATION:
            assert field.layers[-1].size is None
            assert field.layers[-1].sees_all


def test_a_layer_called_twice_has_two_rows():
    conv = nn.Conv2d(1, 1, 3)
    layers = lit_models.receptive_field(nn.Sequential(conv, nn.ReLU(), conv), 9).layers
    assert column(layers, "name") == ["0", "1", "0"]
    assert column(layers, "size") == [3, 3, 5]


def test_the_net_is_left_as_it_was():
    net = lit_models.build("resnet18", image_size=32).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    lit_models.receptive_field(net, 32)
    assert net.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
