"""Published shapes, parameters and multiply-adds, of whole nets and of their parts."""

import pytest
import torch

import lit_models

PUBLISHED = [name for name in lit_models.names() if lit_models.entry(name).published]

# (model, channels, classes, image size, parameters, MACs), in addition to the registered figures
FIGURES = [
    ("vgg11", 1, 10, 224, 128_806_154, 7_547_232_256),
    ("vgg16", 3, 10, 224, 134_301_514, 15_466_209_280),
    ("alexnet_227", 3, 10, 227, 58_322_314, None),
    ("googlenet", 1, 10, 224, 5_977_530, 1_502_982_144),
    ("googlenet_bn", 3, 10, 224, 10_341_566, None),
    ("resnet18", 1, 10, 96, 11_175_370, None),
    ("resnet18_d2l", 1, 10, 224, 11_178_378, 1_734_890_496),
    ("resnet50", 3, 10, 224, 23_528_522, 4_089_184_256 - 2_027_520),
    ("densenet", 1, 10, 224, 758_226, 702_742_448),
    ("densenet121", 3, 10, 224, 6_964_106, 2_834_161_664 - 1_013_760),
    ("efficientnet_b0", 3, 10, 224, 4_020_358, 385_814_752 - 1_267_200),
    ("efficientnet_b2", 3, 1000, 260, 9_109_994, 993_561_872),
    ("efficientnet_b7", 3, 1000, 224, 66_347_960, 5_169_865_152),
]

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
    "lenet5_tanh": (
        32,
        [
            ("features.0", (6, 28, 28), 156),
            ("features.2", (6, 14, 14), 12),
            ("features.4", (16, 10, 10), 1_516),
            ("features.6", (16, 5, 5), 32),
            ("features.8", (120, 1, 1), 48_120),
            ("features.11", (84,), 10_164),
        ],
    ),
    "lenet_relu": (
        32,
        [
            ("features.2", (16, 14, 14), 0),
            ("features.5", (32, 5, 5), 0),
            ("classifier.1", (120,), 96_120),
        ],
    ),
    "alexnet_227": (
        227,
        [
            ("features.0", (96, 55, 55), 11_712),
            ("features.2", (96, 27, 27), 0),
            ("features.5", (256, 13, 13), 0),
            ("features.10", (256, 13, 13), 884_992),
            ("features.12", (256, 6, 6), 0),
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
    "nin_cifar": (
        32,
        [
            ("features.0.0", (192, 32, 32), 4_992),
            ("features.0.2", (160, 32, 32), 30_880),
            ("features.0.4", (96, 32, 32), 15_456),
            ("features.1", (96, 15, 15), 0),
            ("features.3.0", (192, 15, 15), 460_992),
            ("features.3.2", (192, 15, 15), 37_056),
            ("features.4", (192, 7, 7), 0),
            ("classifier.0.0", (192, 7, 7), 331_968),
            ("classifier.0.4", (10, 7, 7), 1_930),
        ],
    ),
    "convnet": (
        32,
        [
            ("features.0", (64, 34, 34), 640),
            ("features.2", (64, 16, 16), 0),
            ("features.3", (384, 18, 18), 221_568),
            ("features.5", (384, 8, 8), 0),
            ("features.6", (384, 6, 6), 1_327_488),
            ("features.8", (256, 4, 4), 884_992),
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
    "googlenet_bn": (
        224,
        [
            ("to_4a.0", (64, 112, 112), 9_408 + 128),
            ("to_4a.1", (64, 56, 56), 0),
            ("to_4a.2", (64, 56, 56), 4_096 + 128),
            ("to_4a.3", (192, 56, 56), 110_592 + 384),
            ("to_4a.4", (192, 28, 28), 0),
            ("to_4a.7", (480, 14, 14), 0),
            ("to_4a.8", (512, 14, 14), 376_800),
            ("to_4d.0", (512, 14, 14), 449_808),
            ("to_4d.1", (512, 14, 14), 510_768),
            ("to_4d.2", (528, 14, 14), 606_080),
            ("to_5b.0", (832, 14, 14), 869_376),
            ("to_5b.1", (832, 7, 7), 0),
            ("to_5b.2", (832, 7, 7), 1_044_480),
            ("to_5b.3", (1024, 7, 7), 1_445_344),
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
    "resnet20": (
        32,
        [
            ("features.3", (16, 32, 32), 2 * 2_304 + 64),
            ("features.6", (32, 16, 16), 4_608 + 9_216 + 128),
            ("features.9", (64, 8, 8), 18_432 + 36_864 + 256),
            ("classifier.2", (10,), 650),
        ],
    ),
    "googlenet_small": (
        32,
        [
            ("features.1", (64, 32, 32), None),
            ("features.4", (96, 16, 16), None),
            ("features.9", (128, 8, 8), None),
            ("classifier.2", (10,), 1_290),
        ],
    ),
    "densenet_small": (
        32,
        [
            ("features.0", (32, 32, 32), 320),
            ("features.1", (128, 32, 32), None),
            ("features.4", (160, 16, 16), None),
            ("features.10", (184, 4, 4), None),
            ("classifier.2", (10,), 1_850),
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


@pytest.mark.parametrize("name", PUBLISHED)
def test_figures_are_those_published(name, analysed):
    published, (net, cost, _) = lit_models.entry(name).published, analysed(name)
    part = net.get_submodule(published.module)
    assert sum(p.numel() for p in part.parameters()) == published.parameters
    assert published.macs in (None, cost.macs)


@pytest.mark.parametrize(
    ("name", "channels", "classes", "image_size", "parameters", "macs"), FIGURES
)
def test_figures(name, channels, classes, image_size, parameters, macs):
    shape = {"in_channels": channels, "image_size": image_size}
    with torch.device("meta"):
        net = lit_models.build(name, num_classes=classes, **shape)
    cost = lit_models.cost(net, **shape)
    assert cost.parameters == parameters
    assert macs in (None, cost.macs)


@pytest.mark.parametrize("name", PARTS)
def test_parts(name):
    image_size, expected = PARTS[name]
    channels = 3 if name == "googlenet_bn" else 1
    with torch.device("meta"):
        net = lit_models.build(name, in_channels=channels, image_size=image_size).eval()
    shapes = {}
    for part, _, _ in expected:
        net.get_submodule(part).register_forward_hook(
            lambda module, inputs, output, part=part: shapes.update({part: output.shape[1:]})
        )
    net(torch.empty(1, channels, image_size, image_size, device="meta"))
    for part, shape, parameters in expected:
        assert shapes[part] == shape, part
        if parameters is not None:
            assert sum(p.numel() for p in net.get_submodule(part).parameters()) == parameters, part


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        # A block of the textbook is a slice of the flat `features`.
        ("vgg11", {(0, 3): 640, (3, 6): 73_856, (6, 11): 885_248, (11, 16): 3_539_968}),
        ("vgg11_narrow", {(0, 3): 160, (3, 6): 4_640, (6, 11): 55_424, (11, 16): 221_440}),
        ("googlenet", {(2, 5): 114_944, (5, 8): 552_432, (8, 14): 2_809_168, (14, 16): 2_487_536}),
        ("resnet18_d2l", {(0, 4): 3_328, (4, 6): 148_224, (6, 8): 525_952, (8, 10): 2_100_480}),
        ("densenet", {(0, 4): 3_328, (5, 7): 18_912, (8, 10): 25_648, (11, 13): 29_400}),
    ],
)
def test_blocks(name, stages):
    with torch.device("meta"):
        features = lit_models.build(name).features
    for (start, stop), parameters in stages.items():
        assert sum(p.numel() for p in features[start:stop].parameters()) == parameters
