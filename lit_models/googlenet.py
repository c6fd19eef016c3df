"""GoogLeNet: C. Szegedy et al., "Going Deeper with Convolutions", 2015, table 1.

Deviations, all of them those of "Dive into Deep Learning", 8.4: no local response normalisation,
no dropout before the last layer, no auxiliary classifiers, pooling padded by 1.
"""

import torch
from torch import Tensor, nn

from lit_models.registry import register


def conv_relu(in_channels: int, out_channels: int, kernel_size: int, **kwargs) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size, **kwargs), nn.ReLU())


class Inception(nn.Module):
    """Four parallel paths over the same input, concatenated by channel (figure 2b).

    Args:
        in_channels: channels of the input.
        c1: channels of the 1x1 path.
        c2: channels of the 1x1 reduction and of the 3x3 convolution.
        c3: channels of the 1x1 reduction and of the 5x5 convolution.
        c4: channels of the 1x1 projection behind the pooling.
    """

    def __init__(
        self, in_channels: int, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int
    ) -> None:
        super().__init__()
        self.branch1 = conv_relu(in_channels, c1, 1)
        self.branch2 = nn.Sequential(
            conv_relu(in_channels, c2[0], 1), conv_relu(c2[0], c2[1], 3, padding=1)
        )
        self.branch3 = nn.Sequential(
            conv_relu(in_channels, c3[0], 1), conv_relu(c3[0], c3[1], 5, padding=2)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1), conv_relu(in_channels, c4, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], dim=1)


class GoogLeNet(nn.Module):
    """A convolutional stem and nine Inception blocks; works at any image size."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10, image_size: int = 224) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_relu(in_channels, 64, 7, stride=2, padding=3),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 64, 56, 56)
            conv_relu(64, 64, 1),
            conv_relu(64, 192, 3, padding=1),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 192, 28, 28)
            Inception(192, 64, (96, 128), (16, 32), 32),
            Inception(256, 128, (128, 192), (32, 96), 64),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 480, 14, 14)
            Inception(480, 192, (96, 208), (16, 48), 64),
            Inception(512, 160, (112, 224), (24, 64), 64),
            Inception(512, 128, (128, 256), (24, 64), 64),
            Inception(512, 112, (144, 288), (32, 64), 64),
            Inception(528, 256, (160, 320), (32, 128), 128),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 832, 7, 7)
            Inception(832, 256, (160, 320), (32, 128), 128),
            Inception(832, 384, (192, 384), (48, 128), 128),  # (N, 1024, 7, 7)
        )
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(min_size=32, canonical=True)
def googlenet(**kwargs) -> GoogLeNet:
    """GoogLeNet without normalisation layers, as in the textbook."""
    return GoogLeNet(**kwargs)
