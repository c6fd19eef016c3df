"""GoogLeNet: C. Szegedy et al., "Going Deeper with Convolutions", 2015, table 1.

`googlenet` is the net of "Dive into Deep Learning", 8.4. Its deviations: no local response
normalisation, no dropout before the last layer, no auxiliary classifiers, pooling padded by 1.

`googlenet_bn` has the auxiliary classifiers and the dropout of the paper. Its deviations: batch
normalisation after every convolution instead of local response normalisation, convolutions without
bias, pooling sizes rounded up; the auxiliary classifiers pool smaller windows on maps below 5x5.
Its 5x5 branch has 5x5 convolutions, unlike torchvision's `googlenet`, which has 3x3.

`googlenet_small` is the net for CIFAR-10 of P. Lippe, "UvA Deep Learning Tutorials", tutorial 5.
Its deviations: a 3x3 convolution as stem, eight narrow Inception blocks and two poolings, batch
normalisation after every convolution, no dropout, no auxiliary classifiers; the training protocol
chooses the initialisation.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from lit_models.entries import Published
from lit_models.layers import output_size
from lit_models.registry import register


def conv_relu(in_channels: int, out_channels: int, kernel_size: int, **kwargs) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size, **kwargs), nn.ReLU())


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel_size: int, *, bias: bool = False, **kwargs
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, bias=bias, **kwargs),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """Four parallel paths over the same input, concatenated by channel (figure 2b).

    Args:
        in_channels: channels of the input.
        c1: channels of the 1x1 path.
        c2: channels of the 1x1 reduction and of the 3x3 convolution.
        c3: channels of the 1x1 reduction and of the 5x5 convolution.
        c4: channels of the 1x1 projection after the pooling.
        conv: makes a convolution with its normalisation and activation.
    """

    def __init__(
        self,
        in_channels: int,
        c1: int,
        c2: tuple[int, int],
        c3: tuple[int, int],
        c4: int,
        *,
        conv: Callable[..., nn.Module] = conv_relu,
    ) -> None:
        super().__init__()
        self.branch1 = conv(in_channels, c1, 1)
        self.branch2 = nn.Sequential(conv(in_channels, c2[0], 1), conv(c2[0], c2[1], 3, padding=1))
        self.branch3 = nn.Sequential(conv(in_channels, c3[0], 1), conv(c3[0], c3[1], 5, padding=2))
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1), conv(in_channels, c4, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], dim=1)


def inception_layers(
    in_channels: int, conv: Callable[..., nn.Module], pool: Callable[[], nn.Module]
) -> list[nn.Module]:
    """The layers of table 1 up to the global pooling: (N, 1024, 7, 7) at 224 px."""
    return [
        conv(in_channels, 64, 7, stride=2, padding=3),
        pool(),  # (N, 64, 56, 56)
        conv(64, 64, 1),
        conv(64, 192, 3, padding=1),
        pool(),  # (N, 192, 28, 28)
        Inception(192, 64, (96, 128), (16, 32), 32, conv=conv),
        Inception(256, 128, (128, 192), (32, 96), 64, conv=conv),
        pool(),  # (N, 480, 14, 14)
        Inception(480, 192, (96, 208), (16, 48), 64, conv=conv),
        Inception(512, 160, (112, 224), (24, 64), 64, conv=conv),
        Inception(512, 128, (128, 256), (24, 64), 64, conv=conv),
        Inception(512, 112, (144, 288), (32, 64), 64, conv=conv),
        Inception(528, 256, (160, 320), (32, 128), 128, conv=conv),
        pool(),  # (N, 832, 7, 7)
        Inception(832, 256, (160, 320), (32, 128), 128, conv=conv),
        Inception(832, 384, (192, 384), (48, 128), 128, conv=conv),
    ]


class GoogLeNet(nn.Module):
    """A convolutional stem and nine Inception blocks; works at any image size."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10, image_size: int = 224) -> None:
        super().__init__()
        layers = inception_layers(
            in_channels, conv_relu, lambda: nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        )
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class GoogLeNetSmall(nn.Module):
    """A 3x3 stem and eight narrow Inception blocks for small images; works at any image size."""

    def __init__(self, in_channels: int = 3, num_classes: int = 10, image_size: int = 32) -> None:
        super().__init__()
        conv = partial(conv_norm_relu, bias=True)
        self.features = nn.Sequential(
            conv(in_channels, 64, 3, padding=1),  # (N, 64, 32, 32)
            Inception(64, 16, (32, 32), (16, 8), 8, conv=conv),
            Inception(64, 24, (32, 48), (16, 12), 12, conv=conv),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 96, 16, 16)
            Inception(96, 24, (32, 48), (16, 12), 12, conv=conv),
            Inception(96, 16, (32, 48), (16, 16), 16, conv=conv),
            Inception(96, 16, (32, 48), (16, 16), 16, conv=conv),
            Inception(96, 32, (32, 48), (16, 24), 24, conv=conv),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 128, 8, 8)
            Inception(128, 32, (48, 64), (16, 16), 16, conv=conv),
            Inception(128, 32, (48, 64), (16, 16), 16, conv=conv),
        )
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class GoogLeNetBN(nn.Module):
    """GoogLeNet with batch normalisation and two auxiliary classifiers.

    In train mode it returns its logits and those of both auxiliary classifiers, each (N,
    num_classes); in eval mode its logits only.
    """

    auxiliary_weight = 0.3  # section 5

    def __init__(self, in_channels: int = 3, num_classes: int = 1000, image_size: int = 224):
        super().__init__()
        layers = inception_layers(
            in_channels,
            conv_norm_relu,
            lambda: nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
        )
        self.to_4a = nn.Sequential(*layers[:9])  # (N, 512, 14, 14)
        self.to_4d = nn.Sequential(*layers[9:12])  # (N, 528, 14, 14)
        self.to_5b = nn.Sequential(*layers[12:])  # (N, 1024, 7, 7)
        side = output_size(image_size, kernel_size=7, stride=2, padding=3)
        for _ in range(3):
            side = output_size(side, kernel_size=3, stride=2, ceil_mode=True)
        self.auxiliary1 = auxiliary_classifier(512, side, num_classes)
        self.auxiliary2 = auxiliary_classifier(528, side, num_classes)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(1024, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        at_4a = self.to_4a(x)
        at_4d = self.to_4d(at_4a)
        logits = self.classifier(self.to_5b(at_4d))
        if self.training:
            return logits, self.auxiliary1(at_4a), self.auxiliary2(at_4d)
        return logits


def auxiliary_classifier(in_channels: int, side: int, num_classes: int) -> nn.Sequential:
    """A classifier on intermediate maps of `side` px (section 5)."""
    window = min(5, side)
    side = output_size(side, window, stride=3)
    return nn.Sequential(
        nn.AvgPool2d(window, stride=3),  # (N, in_channels, 4, 4) at 224 px
        conv_norm_relu(in_channels, 128, 1),
        nn.Flatten(),
        nn.Linear(128 * side * side, 1024),
        nn.ReLU(),
        nn.Dropout(0.7),
        nn.Linear(1024, num_classes),
    )


@register(
    min_size=32,
    canonical=True,
    published=Published(
        "Dive into Deep Learning",
        5_977_530,
        276_066_304,
        in_channels=1,
        num_classes=10,
        image_size=96,
    ),
)
def googlenet(**kwargs) -> GoogLeNet:
    """GoogLeNet without normalisation layers, as in the textbook."""
    return GoogLeNet(**kwargs)


@register(min_size=32, published=Published("lecture notes", 13_385_816, 1_582_671_872))
def googlenet_bn(**kwargs) -> GoogLeNetBN:
    """GoogLeNet with batch normalisation and both auxiliary classifiers."""
    return GoogLeNetBN(**kwargs)


@register(
    min_size=8,
    published=Published("UvA tutorial 5, GoogleNet", 260_650, num_classes=10, image_size=32),
)
def googlenet_small(**kwargs) -> GoogLeNetSmall:
    """GoogLeNet for 32 px with eight narrow blocks, as in the UvA tutorial."""
    return GoogLeNetSmall(**kwargs)
