import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

import lit_models
from lit_models.nets.efficientnet import MBConv, scaled_width


def build(scale, **options):
    with torch.device("meta"):
        return lit_models.build(f"efficientnet_b{scale}", in_channels=3, **options)


@pytest.mark.parametrize(
    ("scale", "stem", "head"),
    [
        (0, 32, 1280),
        (1, 32, 1280),
        (2, 32, 1408),
        (3, 40, 1536),
        (4, 48, 1792),
        (5, 48, 2048),
        (6, 56, 2304),
        (7, 64, 2560),
    ],
)
def test_width_is_scaled(scale, stem, head):
    convolutions = [m for m in build(scale).features.children() if isinstance(m, nn.Conv2d)]
    assert [conv.out_channels for conv in convolutions] == [stem, head]


@pytest.mark.parametrize(
    ("scale", "repeats"),
    [
        (0, [1, 2, 2, 3, 3, 4, 1]),
        (2, [2, 3, 3, 4, 4, 5, 2]),
        (3, [2, 3, 3, 5, 5, 6, 2]),
        (4, [2, 4, 4, 6, 6, 8, 2]),
        (5, [3, 5, 5, 7, 7, 9, 3]),
        (6, [3, 6, 6, 8, 8, 11, 3]),
        (7, [4, 7, 7, 10, 10, 13, 4]),
    ],
)
def test_depth_is_scaled(scale, repeats):
    blocks = [m for m in build(scale).modules() if isinstance(m, MBConv)]
    assert len(blocks) == sum(repeats)
    # The first block of each stage has no shortcut.
    assert sum(block.drop is None for block in blocks) == 7


def test_widths_are_multiples_of_eight_close_to_the_scaled_width():
    assert scaled_width(32, 1.8) == 56
    assert scaled_width(24, 1.1) == 24
    assert scaled_width(10, 1.1) == 16  # 8 is less than nine tenths of 11


def test_blocks_have_the_expected_cost():
    block = MBConv(16, 24, expansion=6, kernel_size=3, stride=2, drop=0.0, norm={})
    assert sum(p.numel() for p in block.parameters()) == 6_004
    assert lit_models.cost(block, 112, 16).macs == 29_203_200
    larger = MBConv(24, 40, expansion=6, kernel_size=5, stride=2, drop=0.0, norm={})
    assert sum(p.numel() for p in larger.parameters()) == 15_350
    first = MBConv(32, 16, expansion=1, kernel_size=3, stride=1, drop=0.0, norm={})
    assert sum(p.numel() for p in first.parameters()) == 1_448


def test_stochastic_depth_grows_with_depth():
    drops = [m.p for m in build(0).modules() if isinstance(m, StochasticDepth)]
    assert drops == sorted(drops)
    assert 0 < drops[0] < drops[-1] < 0.2


def test_a_block_is_skipped_in_training_only():
    block = MBConv(8, 8, expansion=2, kernel_size=3, stride=1, drop=0.999999, norm={})
    x = torch.randn(4, 8, 6, 6)
    assert torch.equal(block.train()(x), x)
    assert not torch.equal(block.eval()(x), x)
