import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import lit_models


def column(rows, name):
    return [getattr(row, name) for row in rows]


# Published values, and values derived by hand


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
    with torch.device("meta"):
        net = torchvision.models.alexnet()
    rows = lit_models.receptive_field(net, 224, 3).layers
    rows = [row for row in rows if row.kind in ("Conv2d", "MaxPool2d")]
    assert column(rows, "size") == [11, 19, 51, 67, 99, 131, 163, 195]
    assert column(rows, "jump") == [4, 8, 8, 16, 16, 16, 16, 32]


def strided_as_published(net):
    """Moves the strides of bottlenecks to their first convolution, as in the paper."""
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


# Outputs without positions


def test_efficientnet_sees_the_whole_image_after_its_first_gate():
    with torch.device("meta"):
        net = torchvision.models.efficientnet_b0()
    layers = lit_models.receptive_field(net, 224, 3).layers
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
        lambda x, w: F.linear(x.flatten(1), w.new_empty(400, 800)),
        lambda x, w: x @ w.new_empty(20, 20),
        lambda x, w: x.amax((-2, -1), keepdim=True).expand(-1, -1, 20, 20),
        lambda x, w: F.interpolate(F.conv2d(x.mean((2, 3), keepdim=True), w[..., :1, :1]), 20),
    ],
)
def test_an_output_that_is_not_a_map_sees_the_whole_image(as_net, function):
    (layer,) = lit_models.receptive_field(as_net(function), 20, 2).layers
    assert (layer.size, layer.jump, layer.offset, layer.sees_all) == (None, None, None, True)


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: x.mean((2, 3), keepdim=True),
        lambda x: x.flatten(2).amax(2)[..., None, None],
        lambda x: F.avg_pool2d(x, 20),
        lambda x: F.avg_pool2d(x, 20).expand_as(x),
        lambda x: x.flatten(2).softmax(2).view_as(x),
    ],
)
def test_gates_keep_the_local_field_and_see_the_whole_image(as_net, pool):
    def gated(x, w):
        x = F.conv2d(x, w, padding=1)
        return x * pool(x)

    field = lit_models.receptive_field(as_net(gated), 20, 2)
    assert (field.size, field.sees_all) == (3, True)


def test_group_normalisation_sees_the_whole_image():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4))
    layers = lit_models.receptive_field(net, 9).layers
    assert column(layers, "sees_all") == [False, True]
    assert column(layers, "size") == [3, 3]


def test_positions_that_see_no_pixel():
    net = nn.ConvTranspose2d(1, 1, kernel_size=1, stride=2)
    field = lit_models.receptive_field(net, 8)
    assert (field.size, field.jump) == (1, 0.5)
    assert field.height.bounds(5) == (float("inf"), float("-inf"))


def test_height_and_width_may_differ():
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
        (lambda x, w: x + F.interpolate(F.max_pool2d(x[:, :, 1:, 1:], 2), 20), "unequal jumps"),
        (write_into_a_part, "aten.copy_"),
    ],
)
def test_unsupported_operations_are_named(as_net, function, message):
    with pytest.raises(lit_models.ModelError, match=message):
        lit_models.receptive_field(as_net(function), 20, 2)


# Rows


@pytest.mark.parametrize("name", lit_models.names())
def test_rows_are_those_of_the_cost(name, analysed):
    _, cost, field = analysed(name)
    rows, calls = ([(row.name, row.kind) for row in found.layers] for found in (cost, field))
    assert rows == [*dict.fromkeys(calls)]  # a layer may be called several times


@pytest.mark.parametrize("name", lit_models.names())
def test_every_net_has_a_field_and_classifiers_end_in_rows_that_see_all(name, analysed):
    _, _, field = analysed(name)
    assert field.size is not None
    if lit_models.entry(name).task == lit_models.CLASSIFICATION:
        assert field.layers[-1].size is None
        assert field.layers[-1].sees_all


def test_a_layer_called_twice_has_two_rows():
    conv = nn.Conv2d(1, 1, 3)
    layers = lit_models.receptive_field(nn.Sequential(conv, nn.ReLU(), conv), 9).layers
    assert column(layers, "name") == ["0", "1", "0"]
    assert column(layers, "size") == [3, 3, 5]


def test_the_net_is_unchanged():
    net = lit_models.build("resnet18", image_size=32).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    lit_models.receptive_field(net, 32)
    assert net.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
