"""Network in Network: M. Lin, Q. Chen, S. Yan, "Network In Network", 2014, 3.

As in the paper, ReLU also follows the class maps, so logits are never negative, and a class whose
map is zero everywhere no longer learns.

`nin_cifar` has the published widths of the paper's net for CIFAR-10, for 32 px; both poolings take
the maximum and round the size down, to 15 and 7 px.
`nin` is the net of "Dive into Deep Learning", 8.3. Its deviations: the kernel sizes and channels of
AlexNet, for images of 224 px; dropout before the last mlpconv layer only.
"""

from torch import Tensor, nn

from lit_models.entries import Published
from lit_models.registry import register


def mlpconv(
    in_channels: int,
    widths: tuple[int, int, int],
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
) -> nn.Sequential:
    """A convolution and two 1x1 convolutions: a perceptron at each position (section 3.1)."""
    first, second, third = widths
    return nn.Sequential(
        nn.Conv2d(in_channels, first, kernel_size, stride, padding),
        nn.ReLU(),
        nn.Conv2d(first, second, kernel_size=1),
        nn.ReLU(),
        nn.Conv2d(second, third, kernel_size=1),
        nn.ReLU(),
    )


class NiN(nn.Module):
    """Four mlpconv layers; global average pooling of one map per class gives the logits."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10, image_size: int = 224) -> None:
        super().__init__()
        self.features = nn.Sequential(
            mlpconv(in_channels, (96, 96, 96), kernel_size=11, stride=4),  # (N, 96, 54, 54)
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 26, 26)
            mlpconv(96, (256, 256, 256), kernel_size=5, padding=2),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 12, 12)
            mlpconv(256, (384, 384, 384), kernel_size=3, padding=1),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 384, 5, 5)
        )
        classes = (num_classes, num_classes, num_classes)
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            mlpconv(384, classes, kernel_size=3, padding=1),  # (N, num_classes, 5, 5)
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class CifarNiN(nn.Module):
    """Three mlpconv layers; global average pooling of one map per class gives the logits."""

    def __init__(self, in_channels: int = 3, num_classes: int = 10, image_size: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            mlpconv(in_channels, (192, 160, 96), kernel_size=5, padding=2),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 15, 15)
            nn.Dropout(0.5),
            mlpconv(96, (192, 192, 192), kernel_size=5, padding=2),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 192, 7, 7)
            nn.Dropout(0.5),
        )
        self.classifier = nn.Sequential(
            mlpconv(192, (192, 192, num_classes), kernel_size=3, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(
    min_size=67,
    canonical=True,
    published=Published(
        "Dive into Deep Learning", 1_992_166, 762_297_352, in_channels=1, num_classes=10
    ),
)
def nin(**kwargs) -> NiN:
    """Network in Network with AlexNet's kernels, as in the textbook."""
    return NiN(**kwargs)


@register(
    min_size=7,
    published=Published("lecture notes", 966_986, 200_357_760, num_classes=10, image_size=32),
)
def nin_cifar(**kwargs) -> CifarNiN:
    """Network in Network for CIFAR-10, under a million parameters."""
    return CifarNiN(**kwargs)
