from copy import deepcopy

import pytest
import torch
from torch import nn

from benchmarks.training.precision import keep_in_fp32, stays_in_fp32


@pytest.fixture
def net():
    """A dense, a grouped and a depthwise convolution, and a dense one again."""
    return nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1, groups=groups) for groups in (1, 4, 8, 1)))


def outputs(net, images):
    """The output of each layer under autocast."""
    found = []
    hooks = [layer.register_forward_hook(lambda _, __, out: found.append(out)) for layer in net]
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        net(images)
    for hook in hooks:
        hook.remove()
    return found


def test_narrow_groups_compute_in_fp32_under_autocast(net):
    images = torch.randn(2, 8, 8, 8)
    keep_in_fp32(net)
    dense, grouped, depthwise, last = outputs(net, images)
    bf16, fp32 = torch.bfloat16, torch.float32
    assert [each.dtype for each in (dense, grouped, depthwise, last)] == [bf16, fp32, fp32, bf16]
    conv = net[2]
    expected = nn.functional.conv2d(grouped, conv.weight, conv.bias, padding=1, groups=8)
    assert torch.equal(depthwise, expected)


def test_gradients_reach_every_weight_in_fp32(net):
    keep_in_fp32(net)
    outputs(net, torch.randn(2, 8, 8, 8))[-1].float().sum().backward()
    assert all(weight.grad.dtype == torch.float32 for weight in net.parameters())
    assert all(weight.grad.abs().sum() > 0 for weight in net.parameters())


def test_a_copy_computes_with_its_own_weights(net):
    keep_in_fp32(net)
    copied, images = deepcopy(net), torch.randn(2, 8, 8, 8)
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
    assert all(output.abs().sum() > 0 for output in outputs(copied, images))


def test_a_compiled_net_computes_the_same(net):
    images = torch.randn(2, 8, 8, 8)
    keep_in_fp32(net)
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        assert torch.equal(compiled(images), net(images))


def test_without_autocast_nothing_changes(net):
    images = torch.randn(2, 8, 8, 8)
    before = net(images)
    keep_in_fp32(net)
    assert torch.equal(net(images), before)
    assert list(net.state_dict()) == list(deepcopy(net).state_dict())


@pytest.mark.parametrize(
    ("layer", "stays"),
    [
        (nn.Conv2d(3, 8, 3), False),
        (nn.Conv2d(2, 2, 3), False),  # narrow, but dense
        (nn.Conv2d(64, 64, 3, groups=2), False),
        (nn.Conv2d(128, 128, 3, groups=32), False),  # as in ResNeXt
        (nn.Conv2d(128, 128, 3, groups=64), True),
        (nn.Conv2d(8, 16, 5, groups=8), True),
        (nn.Linear(8, 8), False),
    ],
)
def test_which_layers_stay_in_fp32(layer, stays):
    assert stays_in_fp32(layer) == stays
