"""The textbook's nets, layer by layer: published shapes, parameters and multiply-adds."""

import pytest
import torch
import torchvision

import lit_models

# model: (image size, parameters, MACs); 1 channel, 10 classes
TOTALS = {
    "lenet": (28, 61_706, 416_520),
    "alexnet": (224, 46_764_746, 938_146_176),
    "vgg11": (224, 128_806_154, 7_547_232_256),
    "vgg11_narrow": (224, 43_093_322, 512_155_648),
    "nin": (224, 1_992_166, 762_297_352),
    "googlenet": (96, 5_977_530, 276_066_304),
    "resnet18": (224, 11_175_370, 1_734_890_496),
    "resnet18_d2l": (96, 11_178_378, 318_657_536),
    "densenet": (96, 758_226, 129_077_168),
}

# model: (image size, [(output shape, parameters) of each part, in order])
PARTS = {
    "lenet": (
        28,
        [
            ("features.0", (6, 28, 28), 156),
            ("features.2", (6, 14, 14), 0),
            ("features.3", (16, 10, 10), 2_416),
            ("features.5", (16, 5, 5), 0),
            ("classifier.1", (120,), 48_120),
            ("classifier.3", (84,), 10_164),
            ("classifier.5", (10,), 850),
        ],
    ),
    "alexnet": (
        224,
        [
            ("features.0", (96, 54, 54), 11_712),
            ("features.2", (96, 26, 26), 0),
            ("features.3", (256, 26, 26), 614_656),
            ("features.5", (256, 12, 12), 0),
            ("features.6", (384, 12, 12), 885_120),
            ("features.8", (384, 12, 12), 1_327_488),
            ("features.10", (256, 12, 12), 884_992),
            ("features.12", (256, 5, 5), 0),
            ("classifier.1", (4096,), 26_218_496),
            ("classifier.4", (4096,), 16_781_312),
            ("classifier.7", (10,), 40_970),
        ],
    ),
    "vgg11": (
        224,
        [
            ("features.2", (64, 112, 112), 0),
            ("features.5", (128, 56, 56), 0),
            ("features.10", (256, 28, 28), 0),
            ("features.15", (512, 14, 14), 0),
            ("features.20", (512, 7, 7), 0),
            ("classifier.1", (4096,), 102_764_544),
            ("classifier.4", (4096,), 16_781_312),
            ("classifier.7", (10,), 40_970),
        ],
    ),
    "nin": (
        224,
        [
            ("features.0", (96, 54, 54), 30_336),
            ("features.1", (96, 26, 26), 0),
            ("features.2", (256, 26, 26), 746_240),
            ("features.3", (256, 12, 12), 0),
            ("features.4", (384, 12, 12), 1_180_800),
            ("features.5", (384, 5, 5), 0),
            ("classifier.1", (10, 5, 5), 34_790),
        ],
    ),
    "googlenet": (
        96,
        [
            ("features.0", (64, 48, 48), 3_200),
            ("features.1", (64, 24, 24), 0),
            ("features.4", (192, 12, 12), 0),
            ("features.7", (480, 6, 6), 0),
            ("features.13", (832, 3, 3), 0),
            ("features.15", (1024, 3, 3), None),
            ("classifier.2", (10,), 10_250),
        ],
    ),
    "resnet18_d2l": (
        96,
        [
            ("features.3", (64, 24, 24), 0),
            ("features.5", (64, 24, 24), None),
            ("features.7", (128, 12, 12), None),
            ("features.9", (256, 6, 6), None),
            ("features.11", (512, 3, 3), None),
            ("classifier.2", (10,), 5_130),
        ],
    ),
    "densenet": (
        96,
        [
            ("features.4", (192, 24, 24), 130_048),
            ("features.5", (96, 24, 24), None),
            ("features.7", (224, 12, 12), 167_168),
            ("features.8", (112, 12, 12), None),
            ("features.10", (240, 6, 6), 185_728),
            ("features.13", (248, 3, 3), 195_008),
            ("features.14", (248, 3, 3), 496),
            ("classifier.2", (10,), 2_490),
        ],
    ),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name):
    image_size, parameters, macs = TOTALS[name]
    cost = lit_models.cost(lit_models.build(name, image_size=image_size), image_size)
    assert (cost.parameters, cost.macs) == (parameters, macs)


@pytest.mark.parametrize("name", PARTS)
def test_parts(name):
    image_size, expected = PARTS[name]
    net = lit_models.build(name, image_size=image_size).eval()
    shapes = {}
    for part, _, _ in expected:
        net.get_submodule(part).register_forward_hook(
            lambda module, inputs, output, part=part: shapes.update({part: output.shape[1:]})
        )
    net(torch.zeros(1, 1, image_size, image_size))
    for part, shape, parameters in expected:
        assert shapes[part] == shape, part
        if parameters is not None:
            assert sum(p.numel() for p in net.get_submodule(part).parameters()) == parameters, part


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        # The textbook's blocks are runs of our flat `features`.
        ("vgg11", {(0, 3): 640, (3, 6): 73_856, (6, 11): 885_248, (11, 16): 3_539_968}),
        ("vgg11_narrow", {(0, 3): 160, (3, 6): 4_640, (6, 11): 55_424, (11, 16): 221_440}),
        ("googlenet", {(2, 5): 114_944, (5, 8): 552_432, (8, 14): 2_809_168, (14, 16): 2_487_536}),
        ("resnet18_d2l", {(0, 4): 3_328, (4, 6): 148_224, (6, 8): 525_952, (8, 10): 2_100_480}),
        ("densenet", {(0, 4): 3_328, (5, 7): 18_912, (8, 10): 25_648, (11, 13): 29_400}),
    ],
)
def test_blocks(name, stages):
    features = lit_models.build(name).features
    for (start, stop), parameters in stages.items():
        assert sum(p.numel() for p in features[start:stop].parameters()) == parameters


def test_resnet18_is_torchvisions():
    ours = lit_models.build("resnet18", in_channels=3, num_classes=1000).eval()
    theirs = torchvision.models.resnet18().eval()
    weights = theirs.state_dict().values()
    ours.load_state_dict(dict(zip(ours.state_dict(), weights, strict=True)))
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-5)
    cost = lit_models.cost(ours, 224, 3)
    assert (cost.parameters, cost.macs) == (11_689_512, 1_814_073_344)
