"""ResNet: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", 2016.

`resnet18` is torchvision's net: convolutions without bias, option B shortcuts (a 1x1 convolution
with batch normalisation where the shape changes, section 3.3), He initialisation left to the
training protocol. `resnet18_d2l` is the net of "Dive into Deep Learning", 8.6, which deviates:
every convolution has a bias, and the projection shortcut has no batch normalisation.
"""

from torch import Tensor, nn

from lit_models.registry import register


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (figure 5, left)."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, bias: bool, shortcut_norm: bool
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=bias)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=bias)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut.append(nn.Conv2d(in_channels, out_channels, 1, stride, bias=bias))
            if shortcut_norm:
                self.shortcut.append(nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        residual = self.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        return self.relu(residual + self.shortcut(x))


class ResNet(nn.Module):
    """A 7x7 stem, four stages of basic blocks and global average pooling (table 1).

    Args:
        depths: blocks in each of the four stages.
        bias: whether the convolutions have a bias.
        shortcut_norm: whether batch normalisation follows the projection shortcuts.
    """

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 224,
        bias: bool = False,
        shortcut_norm: bool = True,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=bias),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 64, 56, 56)
        ]
        channels = 64
        for stage, depth in enumerate(depths):
            out_channels = 64 * 2**stage
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(BasicBlock(channels, out_channels, stride, bias, shortcut_norm))
                channels = out_channels
        self.features = nn.Sequential(*layers)  # (N, 512, 7, 7)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(min_size=32, canonical=True)
def resnet18(**kwargs) -> ResNet:
    """ResNet-18, the same net as torchvision's."""
    return ResNet((2, 2, 2, 2), **kwargs)


@register(min_size=32)
def resnet18_d2l(**kwargs) -> ResNet:
    """ResNet-18 as in the textbook: biased convolutions, bare projection shortcuts."""
    return ResNet((2, 2, 2, 2), bias=True, shortcut_norm=False, **kwargs)
