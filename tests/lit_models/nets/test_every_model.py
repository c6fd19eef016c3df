"""Properties of every registered net."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lit_models
from benchmarks.training.initialisation import initialise
from datamodules.sources.fashion_mnist_masks import masks
from lit_models.classifier import forward_loss

MODELS = lit_models.names()
STEPS = 8
EXTRA = 8  # px above the minimum size, so the last maps are larger than one pixel
# Trained in the default tests: the smallest net of each architecture, and of each other class
TRAINED = {
    *("alexnet", "convnet", "densenet", "dilated_fcn", "efficientnet_b0", "fcn", "googlenet"),
    *("googlenet_bn", "lenet", "lenet5_tanh", "nin", "nin_cifar", "resnet18", "unet"),
    *("vgg11_narrow", "resnet20", "plain20", "preact_resnet20", "preact_resnet_small"),
    *("googlenet_small", "densenet_small"),
}


def logits_shape(name, batch, classes, size):
    if lit_models.entry(name).task == lit_models.SEGMENTATION:
        return (batch, classes, size, size)
    return (batch, classes)


def random_labels(name, batch, classes, size):
    shape = logits_shape(name, batch, classes, size)
    return torch.randint(classes, (shape[0], *shape[2:]))


@pytest.fixture(scope="module")
def built(every_model):
    """A name, its net for small grey images, and their size; built once per net."""
    torch.manual_seed(0)
    size = lit_models.entry(every_model).min_size + EXTRA
    return every_model, lit_models.build(every_model, image_size=size), size


def test_logits_at_any_size_and_batch(every_model):
    least = lit_models.entry(every_model).min_size
    inputs = ((least, 3, 2), (least + 1, 1, 1), (least + 29, 1, 2), (224, 3, 1))
    for size, channels, batch in inputs:
        with torch.device("meta"):
            net = lit_models.build(
                every_model, in_channels=channels, num_classes=7, image_size=size
            ).eval()
            logits = net(torch.empty(batch, channels, size, size))
        assert logits.shape == logits_shape(every_model, batch, 7, size)


@pytest.mark.parametrize("name", MODELS)
def test_images_below_the_minimum_size_are_refused(name):
    size = lit_models.entry(name).min_size - 1
    with pytest.raises(lit_models.ModelError, match=f"{name} needs images of at least"):
        lit_models.build(name, image_size=size)


def test_evaluation_is_deterministic_and_independent_of_the_batch(built):
    _, net, size = built
    images = torch.randn(3, 1, size, size)
    with torch.no_grad():
        logits = net.eval()(images)
        assert torch.equal(net(images), logits)
        scale = logits.abs().max()
        torch.testing.assert_close(net(images[1:2]) / scale, logits[1:2] / scale)


def test_state_dict_restores_the_net(built):
    name, net, size = built
    with torch.device("meta"):
        second = lit_models.build(name, image_size=size).eval()
    second.load_state_dict(net.state_dict(), assign=True)
    images = torch.randn(2, 1, size, size)
    with torch.no_grad():
        assert torch.equal(net.eval()(images), second(images))


def test_every_parameter_is_used(every_model):
    size = lit_models.entry(every_model).min_size + EXTRA
    with torch.device("meta"):
        net = lit_models.build(every_model, image_size=size)
        labels = random_labels(every_model, 4, 10, size)
        forward_loss(net, torch.empty(4, 1, size, size), labels)[2].backward()
    assert [key for key, p in net.named_parameters() if p.grad is None] == []


def test_gradients_reach_every_parameter(built):
    name, net, size = built
    net = copy.deepcopy(net)
    images, labels = torch.randn(8, 1, size, size), random_labels(name, 8, 10, size)
    initialise(net, "lsuv", images)  # no channel is dead, logits included
    forward_loss(net.train(), images, labels)[2].backward()
    assert [key for key, p in net.named_parameters() if not p.grad.any()] == []


def test_randomness_comes_from_torchs_generator(built):
    """That of dropout and stochastic depth."""
    _, net, size = built
    images = torch.randn(4, 1, size, size)

    def outputs():
        torch.manual_seed(3)
        with torch.no_grad():
            outputs = net.train()(images)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    assert all(map(torch.equal, outputs(), outputs()))


@pytest.fixture(scope="module")
def examples(fashion_mnist):
    """16 real images, their classes and their masks."""
    images, labels = fashion_mnist.train_images[:16], fashion_mnist.train_labels[:16]
    return images, labels, masks(images, labels).long()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in TRAINED else pytest.mark.slow) for name in MODELS],
)
def test_training_lowers_the_loss(name, examples):
    """On one batch of real images, initialised as by the protocols."""
    entry = lit_models.entry(name)
    size = entry.min_size + EXTRA
    images, classes, outlines = examples
    images = (F.interpolate(images.float(), (size, size), mode="bilinear") / 255 - 0.286) / 0.353
    if entry.task == lit_models.SEGMENTATION:
        labels = F.interpolate(outlines[:, None].float(), (size, size))[:, 0].long()
    else:
        labels = classes
    net = lit_models.build(name, num_classes=11, image_size=size)
    initialise(net, "lsuv", images)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4, fused=True)
    losses = []
    # So deep without shortcuts, a net learns slowly: figure 6 of the ResNet paper.
    for _ in range(3 * STEPS if name == "plain110" else STEPS):
        optimizer.zero_grad()
        _, each, loss = forward_loss(net.train(), images, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.2)
        optimizer.step()
        losses.append(each.mean().item())
    assert min(losses[-3:]) < losses[0] - 0.03


def test_returns_logits(built):
    kinds = {type(module) for module in built[1].modules()}
    assert not kinds & {nn.Softmax, nn.LogSoftmax}


@pytest.mark.parametrize("name", lit_models.canonical_names())
def test_equal_seeds_give_equal_weights(name):
    def weights():
        torch.manual_seed(3)
        return lit_models.build(name, image_size=lit_models.entry(name).min_size).state_dict()

    first, second = weights(), weights()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_takes_bfloat16(name):
    net, images, expected = _evaluated(name)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        halves = net(images)
    assert halves.dtype == torch.bfloat16
    assert halves.isfinite().all()
    assert F.cosine_similarity(halves.float().flatten(), expected.flatten(), dim=0) > 0.9


# Compilation takes half a minute a net, so only one net of each paper is compiled in CI.
COMPILED = [
    pytest.param(
        name, marks=pytest.mark.slow if lit_models.entry(name).canonical else pytest.mark.exhaustive
    )
    for name in MODELS
]


@pytest.mark.parametrize("name", COMPILED)
def test_compiles(name):
    net, images, expected = _evaluated(name)
    scale = expected.abs().max()
    with torch.no_grad():
        compiled = torch.compile(net)(images)
    torch.testing.assert_close(compiled / scale, expected / scale, rtol=0, atol=1e-3)


def _evaluated(name):
    """A net in eval mode, two images and their logits."""
    size = lit_models.entry(name).min_size + EXTRA
    net = lit_models.build(name, image_size=size).eval()
    images = torch.randn(2, 1, size, size)
    with torch.no_grad():
        return net, images, net(images)
