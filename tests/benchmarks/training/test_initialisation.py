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


class Heads(nn.Module):
    """Classifiers that are registered before the body, and a layer that is never called."""

    def __init__(self, combine, heads):
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(8, classes) for classes in heads)
        self.body = nn.Conv2d(1, 8, 3)
        self.combine, self.spare = combine, nn.Linear(8, 10)

    def forward(self, images):
        features = self.body(images).relu().mean((2, 3))
        return self.combine([head(features) for head in self.heads])


@pytest.mark.parametrize(
    ("combine", "heads"),
    [
        (lambda outputs: outputs[0], [10]),
        (sum, [10, 10]),
        (lambda outputs: (outputs[0] + outputs[1]) / 2, [10, 10]),
        (lambda outputs: torch.cat(outputs, 1), [4, 6]),
        (lambda outputs: outputs[0].relu() * 1.0, [10]),
    ],
)
def test_lsuv_finds_the_layers_that_make_the_logits(combine, heads):
    net, images = Heads(combine, heads), torch.randn(64, 1, 12, 12)
    spare = net.spare.weight.clone()
    initialise(net, "lsuv", images)
    logits = net(images)
    assert logits.mean().item() == pytest.approx(LOGIT_MEAN, rel=1e-2)
    assert logits.std().item() == pytest.approx(LOGIT_STD, rel=3e-2)
    assert net.body(images).mean().item() == pytest.approx(HIDDEN_MEAN, rel=1e-2)
    assert torch.equal(net.spare.weight, spare)


def test_the_logits_are_the_first_output():
    net, images = Heads(tuple, [10, 10]), torch.randn(64, 1, 12, 12)
    initialise(net, "lsuv", images)
    logits, auxiliary = net(images)
    assert logits.std().item() == pytest.approx(LOGIT_STD, rel=1e-2)
    assert auxiliary.std().item() == pytest.approx(HIDDEN_STD, rel=1e-2)


class Query(nn.Module):
    """A learned vector, the same for every image, passes a layer that the image may pass too."""

    def __init__(self, bias, shared):
        super().__init__()
        self.vector = nn.Parameter(torch.randn(1, 4, 6))
        self.query, self.key = nn.Linear(6, 6, bias=bias), nn.Linear(6, 6, bias=bias)
        self.shared, self.head = shared, nn.Linear(6, 5)

    def forward(self, images):
        query = self.query(self.vector.expand(len(images), -1, -1)[:, :1])
        tokens = self.query(images[:, 0]) if self.shared else self.key(images[:, 0])
        return self.head((query @ tokens.mT).softmax(-1).mT.mul(tokens).sum(1))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_lsuv_leaves_layers_alone_whose_output_does_not_vary(bias, shared):
    net, images = Query(bias, shared), torch.randn(16, 1, 12, 6)
    query, key = net.query.weight.clone(), net.key.weight.clone()
    initialise(net, "lsuv", images)
    assert torch.equal(net.query.weight, query) is not shared
    assert torch.equal(net.key.weight, key) is shared
    tokens = (net.query if shared else net.key)(images[:, 0])
    assert tokens.std().item() == pytest.approx(HIDDEN_STD, rel=5e-2)
    if not shared:  # a later call has changed what the vector was turned into
        assert net(images).std().item() == pytest.approx(LOGIT_STD, rel=5e-2)
    assert all(p.isfinite().all() and p.abs().max() < 100 for p in net.parameters())


def test_frozen_weights_stay():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(400, 10))
    net[0].weight.requires_grad_(False)
    before = net[0].weight.clone()
    for scheme in ("lsuv", "xavier"):
        initialise(net, scheme, torch.randn(8, 1, 12, 12))
    assert torch.equal(net[0].weight, before)
