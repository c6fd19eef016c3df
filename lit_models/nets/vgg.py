"""VGG: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", 2015, table 1, columns A, B, D and E.

Deviations: the first linear layer fits `image_size` (7 x 7 maps at 224 px), without adaptive
pooling. The `_bn` nets of torchvision add batch normalisation, which is newer than the paper, after
every convolution. `vgg11_narrow` is the net that "Dive into Deep Learning", 8.2, trains, with a
quarter of the channels.
"""

from torch import Tensor, nn

from lit_models.entries import Published
from lit_models.registry import register

CHANNELS = (64, 128, 256, 512, 512)
# Convolutions in each block, by depth; table 1
CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class VGG(nn.Module):
    """Blocks of 3x3 convolutions, each block halving the image, and three linear layers.

    Args:
        depth: number of layers with weights: 11, 13, 16 or 19.
        norm: batch normalisation follows each convolution.
        narrowing: divisor of the paper's channels.
    """

    def __init__(
        self,
        depth: int,
        *,
        norm: bool = False,
        narrowing: int = 1,
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 224,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for convolutions, width in zip(CONVOLUTIONS[depth], CHANNELS, strict=True):
            for _ in range(convolutions):
                layers.append(nn.Conv2d(channels, width // narrowing, kernel_size=3, padding=1))
                channels = width // narrowing
                layers += [nn.BatchNorm2d(channels), nn.ReLU()] if norm else [nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)  # (N, 512, 7, 7) at 224 px
        side = image_size // 2 ** len(CHANNELS)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * side * side, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(
    min_size=32,
    canonical=True,
    published=Published("torchvision, vgg11", 132_863_336, 7_609_090_048),
)
def vgg11(**kwargs) -> VGG:
    """VGG-11, configuration A."""
    return VGG(11, **kwargs)


@register(min_size=32, published=Published("torchvision, vgg11_bn", 132_868_840, 7_609_090_048))
def vgg11_bn(**kwargs) -> VGG:
    """VGG-11 with batch normalisation."""
    return VGG(11, norm=True, **kwargs)


@register(min_size=32, published=Published("torchvision, vgg13", 133_047_848, 11_308_466_176))
def vgg13(**kwargs) -> VGG:
    """VGG-13, configuration B."""
    return VGG(13, **kwargs)


@register(min_size=32, published=Published("torchvision, vgg13_bn", 133_053_736, 11_308_466_176))
def vgg13_bn(**kwargs) -> VGG:
    """VGG-13 with batch normalisation."""
    return VGG(13, norm=True, **kwargs)


@register(min_size=32, published=Published("torchvision, vgg16", 138_357_544, 15_470_264_320))
def vgg16(**kwargs) -> VGG:
    """VGG-16, configuration D."""
    return VGG(16, **kwargs)


@register(min_size=32, published=Published("torchvision, vgg16_bn", 138_365_992, 15_470_264_320))
def vgg16_bn(**kwargs) -> VGG:
    """VGG-16 with batch normalisation."""
    return VGG(16, norm=True, **kwargs)


@register(min_size=32, published=Published("torchvision, vgg19", 143_667_240, 19_632_062_464))
def vgg19(**kwargs) -> VGG:
    """VGG-19, configuration E."""
    return VGG(19, **kwargs)


@register(min_size=32, published=Published("torchvision, vgg19_bn", 143_678_248, 19_632_062_464))
def vgg19_bn(**kwargs) -> VGG:
    """VGG-19 with batch normalisation."""
    return VGG(19, norm=True, **kwargs)


@register(
    min_size=32,
    published=Published(
        "Dive into Deep Learning", 43_093_322, 512_155_648, in_channels=1, num_classes=10
    ),
)
def vgg11_narrow(**kwargs) -> VGG:
    """VGG-11 with a quarter of the channels: the net the textbook trains."""
    return VGG(11, narrowing=4, **kwargs)
