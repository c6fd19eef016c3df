import pytest
import torch
from torch import nn

import lit_models
from lit_models.nets.resnet import BasicBlock, Bottleneck, ResNet, Variant


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def build(name, **options):
    with torch.device("meta"):
        return lit_models.build(name, in_channels=3, num_classes=1000, **options)


@pytest.mark.parametrize(
    ("depths", "expected", "macs"),
    [
        ((3, 4, 6, 3), 40_128_552, 6_324_224_000),
        ((3, 4, 23, 3), 76_981_288, 13_530_300_416),
        ((3, 8, 36, 3), 107_335_720, 20_736_376_832),
    ],
)
def test_option_c_projects_in_every_block(depths, expected, macs):
    with torch.device("meta"):
        net = ResNet(Bottleneck, depths, 3, 1000, shortcut="C", stride_in="1x1")
    cost = lit_models.cost(net, 224, 3)
    assert (cost.parameters, cost.macs) == (expected, macs)


def test_option_a_has_no_parameters_and_copies_the_input():
    block = BasicBlock(4, 6, stride=2, variant=Variant(shortcut="A", zero_init_last=True))
    assert list(block.shortcut.parameters()) == []
    x = torch.rand(2, 4, 8, 8)
    output = block.eval()(x)  # the residual is zero, and x is positive
    assert torch.equal(output[:, :4], x[:, :, ::2, ::2])
    assert not output[:, 4:].any()


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_shortcut_options_differ_by_their_projections(name):
    projections = {
        option: sum(
            parameters(module.shortcut)
            for module in build(name, shortcut=option).modules()
            if isinstance(module, (BasicBlock, Bottleneck))
        )
        for option in "ABC"
    }
    assert projections["A"] == 0 < projections["B"] < projections["C"]
    assert parameters(build(name)) - parameters(build(name, shortcut="A")) == projections["B"]


@pytest.mark.parametrize(("depth", "blocks"), [(18, 8), (34, 16)])
def test_plain_nets_are_residual_nets_without_shortcuts(depth, blocks):
    plain, residual = build(f"plain{depth}"), build(f"resnet{depth}", shortcut="A")
    assert parameters(plain) == parameters(residual)
    found = [m for m in plain.modules() if isinstance(m, BasicBlock)]
    assert len(found) == blocks
    assert all(block.shortcut is None for block in found)


def test_zero_initialised_blocks_start_as_their_shortcuts():
    net = lit_models.build("resnet18", image_size=32, zero_init_last=True).eval()
    x = torch.rand(2, 64, 8, 8)
    assert torch.equal(net.features[4](x), x)
    others = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d) and m.weight.all()]
    zeros = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d) and not m.weight.any()]
    assert len(zeros) == 8
    assert len(others) == 12  # the stem's, the first of each block, three projections'


def test_a_bottleneck_may_have_its_stride_in_either_convolution():
    in_3x3, in_1x1 = build("resnet50"), build("resnet50", stride_in="1x1")
    assert parameters(in_3x3) == parameters(in_1x1)
    assert lit_models.cost(in_1x1, 224, 3).macs < lit_models.cost(in_3x3, 224, 3).macs


def test_basic_blocks_have_the_expected_parameters():
    standard = BasicBlock(64, 64, 1, Variant())
    projected = BasicBlock(64, 64, 1, Variant(shortcut="C"))
    assert parameters(standard) == 73_984
    assert parameters(projected) == 73_984 + 64 * 64 + 128


def test_an_unknown_option_is_refused():
    with pytest.raises(ValueError, match="shortcut must be one of .* not 'D'"):
        Variant(shortcut="D")
