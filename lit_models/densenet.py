"""DenseNet: G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, "Densely Connected Convolutional
Networks", 2017, 3.

Deviations, all of them those of "Dive into Deep Learning", 8.7: dense layers of one 3x3
convolution (no 1x1 bottleneck: neither DenseNet-B nor DenseNet-121), four blocks of four layers at
growth rate 32, convolutions with bias.
"""

import torch
from torch import Tensor, nn

from lit_models.registry import register


def norm_relu_conv(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """The composite function H of section 3: batch normalisation, ReLU, convolution."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
    )


class DenseBlock(nn.Module):
    """Layers that each see the concatenated outputs of all before (equation 2)."""

    def __init__(self, in_channels: int, layers: int, growth_rate: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            norm_relu_conv(in_channels + i * growth_rate, growth_rate, kernel_size=3)
            for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class DenseNet(nn.Module):
    """A 7x7 stem, dense blocks, and between them transitions that halve channels and size."""

    def __init__(
        self,
        depths: tuple[int, ...] = (4, 4, 4, 4),
        growth_rate: int = 32,
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 224,
    ) -> None:
        super().__init__()
        channels = 64
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, channels, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 64, 56, 56)
        ]
        for i, depth in enumerate(depths):
            if i > 0:
                layers += [norm_relu_conv(channels, channels // 2, kernel_size=1), nn.AvgPool2d(2)]
                channels //= 2
            layers.append(DenseBlock(channels, depth, growth_rate))
            channels += depth * growth_rate
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        self.features = nn.Sequential(*layers)  # (N, 248, 7, 7)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(min_size=32, canonical=True)
def densenet(**kwargs) -> DenseNet:
    """DenseNet of four blocks of four layers, as in the textbook."""
    return DenseNet(**kwargs)
