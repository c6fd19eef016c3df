"""VGG: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", 2015, table 1, column A.

Deviation: the first linear layer fits `image_size` (7 x 7 maps at 224 px) and is not preceded by
adaptive pooling.
"""

from torch import Tensor, nn

from lit_models.registry import register

# (convolutions, channels) of each block; table 1
VGG11 = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))


class VGG(nn.Module):
    """Blocks of 3x3 convolutions, each block halving the image, and three linear layers."""

    def __init__(
        self,
        blocks: tuple[tuple[int, int], ...],
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 224,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for convolutions, out_channels in blocks:
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, out_channels, kernel_size=3, padding=1), nn.ReLU()]
                channels = out_channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)  # (N, channels, 7, 7) at 224 px
        side = image_size // 2 ** len(blocks)
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


@register(min_size=32, canonical=True)
def vgg11(**kwargs) -> VGG:
    """VGG-11, configuration A."""
    return VGG(VGG11, **kwargs)


@register(min_size=32)
def vgg11_narrow(**kwargs) -> VGG:
    """VGG-11 with a quarter of the channels: the net the textbook trains."""
    return VGG(tuple((n, channels // 4) for n, channels in VGG11), **kwargs)
