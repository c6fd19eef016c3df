"""What holds for every registered net."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lit_models

MODELS = lit_models.names()


def logits_shape(name, batch, num_classes, size):
    """What a net for its task returns."""
    is_dense = lit_models.entry(name).task == lit_models.SEGMENTATION
    return (batch, num_classes, *([size, size] if is_dense else []))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("extra", [0, 1, 29])
def test_logits_at_any_size_and_batch(name, channels, extra):
    size = lit_models.entry(name).min_size + extra
    net = lit_models.build(name, in_channels=channels, num_classes=7, image_size=size).eval()
    for batch in (1, 2):
        logits = net(torch.randn(batch, channels, size, size))
        assert logits.shape == logits_shape(name, batch, 7, size)


@pytest.mark.parametrize("name", MODELS)
def test_works_at_224(name):
    with torch.device("meta"):
        net = lit_models.build(name, image_size=224)
        assert net(torch.empty(2, 1, 224, 224)).shape == logits_shape(name, 2, 10, 224)


@pytest.mark.parametrize("name", MODELS)
def test_below_minimum_size_is_refused(name):
    size = lit_models.entry(name).min_size - 1
    with pytest.raises(lit_models.ModelError, match=f"{name} needs images of at least"):
        lit_models.build(name, image_size=size)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_reach_every_parameter(name):
    size = lit_models.entry(name).min_size + 8
    net = lit_models.build(name, image_size=size)
    _, num_classes, *places = logits_shape(name, 4, 10, size)
    labels = torch.randint(num_classes, (4, *places))
    F.cross_entropy(net(torch.randn(4, 1, size, size)), labels).backward()
    without = [key for key, p in net.named_parameters() if p.grad is None]
    assert without == []
    # NiN ends in ReLU: what a class map that starts dead would learn from is lost to it.
    if name != "nin":
        still = [key for key, p in net.named_parameters() if not p.grad.any()]
        assert still == []


@pytest.mark.parametrize("name", MODELS)
def test_evaluation_is_deterministic_and_an_example_alone_is_the_same(name):
    size = lit_models.entry(name).min_size
    net = lit_models.build(name, image_size=size).eval()
    images = torch.randn(3, 1, size, size)
    with torch.no_grad():
        assert torch.equal(net(images), net(images))
        torch.testing.assert_close(net(images[1:2]), net(images)[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_state_dict_makes_the_same_net(name):
    size = lit_models.entry(name).min_size
    first, second = (lit_models.build(name, image_size=size).eval() for _ in range(2))
    second.load_state_dict(first.state_dict())
    images = torch.randn(2, 1, size, size)
    with torch.no_grad():
        assert torch.equal(first(images), second(images))


@pytest.mark.parametrize("name", MODELS)
def test_returns_logits(name):
    net = lit_models.build(name)
    kinds = {type(module) for module in net.modules()}
    assert not kinds & {nn.Softmax, nn.LogSoftmax}


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_result(name):
    """Weights and dropout come from torch's generator alone."""
    size = lit_models.entry(name).min_size

    def outputs():
        torch.manual_seed(3)
        net = lit_models.build(name, image_size=size).train()
        return net(torch.randn(4, 1, size, size))

    assert torch.equal(outputs(), outputs())
