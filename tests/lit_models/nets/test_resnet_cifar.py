"""The residual nets for CIFAR-10, with activations after the convolutions or before them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lit_models
from lit_models.nets.preact_resnet import PreActBlock
from lit_models.nets.resnet import BasicBlock
from lit_models.nets.resnet_cifar import ResNetCIFAR


@pytest.mark.parametrize("name", ["resnet20", "plain32", "resnet_small", "preact_resnet20"])
def test_layers_with_weights_are_as_many_as_the_name_says(name):
    with torch.device("meta"):
        net = lit_models.build(name)
    blocks = [m for m in net.modules() if isinstance(m, BasicBlock | PreActBlock)]
    shortcuts = [block.shortcut for block in blocks if block.shortcut is not None]
    projections = {layer for shortcut in shortcuts for layer in shortcut.modules()}
    layers = {m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    assert len(layers - projections) == (32 if name == "plain32" else 20)


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match=rf"6n \+ 2\), not {depth}"):
        ResNetCIFAR(depth)


def test_a_plain_net_is_the_residual_net_without_shortcuts():
    residual, plain = lit_models.build("resnet20").eval(), lit_models.build("plain20").eval()
    plain.load_state_dict(residual.state_dict())
    blocks = [m for m in residual.modules() if isinstance(m, BasicBlock)]
    for block in blocks:
        block.shortcut.register_forward_hook(lambda module, inputs, output: output * 0)
    images = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(residual(images), plain(images))


def test_signals_pass_preactivation_blocks_unchanged():
    """Equation 5: the output is the input plus residuals, with no activation in between."""
    net = lit_models.build("preact_resnet20").eval()
    for block in (m for m in net.modules() if isinstance(m, PreActBlock)):
        nn.init.zeros_(block.residual[-1].weight)
    images = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        stem = F.relu(net.features[1](net.features[0](images)))
        maps = net.features[:-2](images)
    assert torch.equal(maps[:, :16], stem[:, :, ::4, ::4])
    assert not maps[:, 16:].any()


def test_the_tutorials_blocks_may_have_negative_outputs():
    images = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        assert (lit_models.build("preact_resnet_small").eval().features(images) < 0).any()
        assert (lit_models.build("resnet_small").eval().features(images) >= 0).all()


def test_the_tutorials_projections():
    """A bias without normalisation in the one, normalisation and ReLU before it in the other."""
    plain = lit_models.build("resnet_small").features[6].shortcut
    assert isinstance(plain, nn.Conv2d)
    assert plain.bias is not None
    kinds = [type(m) for m in lit_models.build("preact_resnet_small").features[4].shortcut]
    assert kinds == [nn.BatchNorm2d, nn.ReLU, nn.Conv2d]
