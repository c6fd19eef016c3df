import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

import lit_models
from benchmarks.training.initialisation import (
    HIDDEN_MEAN,
    HIDDEN_STD,
    LAYERS,
    LOGIT_MEAN,
    LOGIT_STD,
    initialise,
)


def outputs(net, images):
    """The output of every convolution, transposed ones too, and linear layer, by name."""
    found = {}
    for name, layer in net.named_modules():
        if isinstance(layer, LAYERS):
            layer.register_forward_hook(lambda m, i, o, name=name: found.update({name: o}))
    with torch.no_grad():
        net(images)
    return found


@pytest.mark.parametrize(
    "name",
    [
        *lit_models.canonical_names(),
        *lit_models.canonical_names(lit_models.SEGMENTATION),
        "googlenet_bn",
    ],
)
def test_lsuv_gives_every_layer_its_mean_and_deviation(name):
    size = max(lit_models.entry(name).min_size, 48)
    net = lit_models.build(name, image_size=size)
    images = torch.randn(16, 1, size, size)
    for module in net.modules():
        if isinstance(module, (nn.Dropout, StochasticDepth)):
            module.p = 0.0  # the same pass twice
    initialise(net, "lsuv", images)
    found = outputs(net.train(), images)
    *_, last = (key for key, module in net.named_modules() if isinstance(module, LAYERS))
    logits = found.pop(last)
    for layer, output in found.items():
        if net.get_submodule(layer).bias is None:
            assert output.std().item() == pytest.approx(HIDDEN_STD, rel=1e-2)
        else:
            channels = output.transpose(0, 1).flatten(1)
            means = channels.mean(1, keepdim=True)
            torch.testing.assert_close(
                means, torch.full_like(means, HIDDEN_MEAN), atol=1e-2, rtol=0
            )
            assert (channels - means).std().item() == pytest.approx(HIDDEN_STD, rel=1e-2)
    assert logits.std().item() == pytest.approx(LOGIT_STD, rel=1e-2)
    assert logits.mean().item() == pytest.approx(LOGIT_MEAN, rel=1e-2)


def test_lsuv_leaves_the_rest_alone():
    net = lit_models.build("resnet18", image_size=32)
    initialise(net, "lsuv", torch.randn(8, 1, 32, 32))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert not module.running_mean.any()
            assert module.num_batches_tracked == 0
            assert (module.weight == 1).all()
    assert not any(module._forward_hooks for module in net.modules())


class Attention(nn.Module):
    """Reads the weights of a linear layer that it does not call, and calls another twice."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.twice = nn.Linear(8, 8)
        self.logits = nn.Linear(8, 5)

    def forward(self, images):
        tokens = self.embed(images[:, 0])  # (N, 12, 8)
        tokens = tokens + self.attend(tokens, tokens, tokens)[0]
        return self.logits(self.twice(self.twice(tokens)).mean(1))


def test_lsuv_of_layers_on_tokens_and_of_weights_that_others_read():
    net = Attention()
    before = net.attend.out_proj.weight.clone()
    images = torch.randn(16, 1, 12, 6)
    initialise(net, "lsuv", images)
    assert torch.equal(net.attend.out_proj.weight, before)
    tokens = net.embed(images[:, 0])
    torch.testing.assert_close(tokens.mean((0, 1)), torch.full((8,), HIDDEN_MEAN))
    assert net(images).std().item() == pytest.approx(LOGIT_STD, rel=1e-2)


def test_no_class_of_nin_starts_dead():
    net = lit_models.build("nin", image_size=67)
    images = torch.randn(32, 1, 67, 67)
    initialise(net, "lsuv", images)
    assert (net.eval()(images) > 0).any(0).all()


@pytest.mark.parametrize("name", ["lenet", "unet"])
def test_xavier_is_the_textbooks(name):
    net = lit_models.build(name, image_size=28)
    biases = [m.bias.clone() for m in net.modules() if hasattr(m, "bias")]
    initialise(net, "xavier", torch.empty(0))
    for layer in (m for m in net.modules() if isinstance(m, LAYERS)):
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        bound = (6 / (fan_in + fan_out)) ** 0.5
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.2)
    after = [m.bias for m in net.modules() if hasattr(m, "bias")]
    assert all(torch.equal(a, b) for a, b in zip(biases, after, strict=True))


def test_default_is_pytorchs():
    net = lit_models.build("lenet", image_size=28)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    initialise(net, "default", torch.empty(0))
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
