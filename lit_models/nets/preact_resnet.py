"""Pre-activation ResNet: K. He, X. Zhang, S. Ren, J. Sun, "Identity Mappings in Deep Residual
Networks", 2016, figure 4(e), for CIFAR-10.

`preact_resnet20` and `preact_resnet110` have the layers of the ResNet of the same depth, with
shortcuts without parameters (option A). Batch normalisation and ReLU come before each convolution;
those of the first block come before its shortcut too, and two more follow the last block
(appendix). Deviation: the training protocol chooses the initialisation.

`preact_resnet_small` is the net of P. Lippe, "UvA Deep Learning Tutorials", tutorial 5. Its
deviations from `preact_resnet20`: where the shape changes, the shortcut is batch normalisation,
ReLU and a 1x1 convolution; the first block has its activation in the residual alone; nothing
follows the last block but the pooling.
"""

from torch import Tensor, nn

from lit_models.entries import Published
from lit_models.nets.resnet import ZeroPadShortcut
from lit_models.registry import register


def norm_relu(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU()]


class PreActBlock(nn.Module):
    """Two 3x3 convolutions, each after batch normalisation and ReLU, and a shortcut (figure 4e).

    Args:
        activates: batch normalisation and ReLU come before the first convolution.
        projects: a shortcut that changes the shape is a 1x1 convolution with its own batch
            normalisation and ReLU, instead of option A.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        *,
        activates: bool = True,
        projects: bool = False,
    ) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *(norm_relu(in_channels) if activates else []),
            nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False),
            *norm_relu(width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        )
        self.shortcut: nn.Module
        if stride == 1 and in_channels == width:
            self.shortcut = nn.Identity()
        elif projects:
            conv = nn.Conv2d(in_channels, width, 1, stride, bias=False)
            self.shortcut = nn.Sequential(*norm_relu(in_channels), conv)
        else:
            self.shortcut = ZeroPadShortcut(width - in_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


class PreActResNet(nn.Module):
    """A 3x3 stem, three stages of pre-activation blocks and global average pooling.

    Args:
        blocks: blocks in each stage.
        tutorial: the deviations of `preact_resnet_small`.
    """

    def __init__(
        self,
        blocks: int,
        in_channels: int = 3,
        num_classes: int = 10,
        image_size: int = 32,
        *,
        tutorial: bool = False,
    ) -> None:
        super().__init__()
        channels = 16
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)]
        if not tutorial:
            layers += norm_relu(channels)  # of the first block, before it splits
        for width in (16, 32, 64):
            for number in range(blocks):
                first = number == 0
                block = PreActBlock(
                    channels,
                    width,
                    stride=2 if width > 16 and first else 1,
                    activates=tutorial or width > 16 or not first,
                    projects=tutorial,
                )
                layers.append(block)
                channels = width
        if not tutorial:
            layers += norm_relu(channels)
        self.features = nn.Sequential(*layers)  # (N, 64, 8, 8)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


def cifar_figures(parameters: int, source: str = "the layers of figure 4(e)") -> Published:
    """Parameters of a net for CIFAR-10."""
    return Published(source, parameters, num_classes=10, image_size=32)


@register(min_size=8, published=cifar_figures(269_722))
def preact_resnet20(**kwargs) -> PreActResNet:
    """Pre-activation ResNet-20 for CIFAR-10, stages of 3 blocks."""
    return PreActResNet(3, **kwargs)


@register(min_size=8, published=cifar_figures(1_727_962))
def preact_resnet110(**kwargs) -> PreActResNet:
    """Pre-activation ResNet-110 for CIFAR-10, stages of 18 blocks."""
    return PreActResNet(18, **kwargs)


@register(min_size=8, published=cifar_figures(272_250, "UvA tutorial 5, ResNet PreAct"))
def preact_resnet_small(**kwargs) -> PreActResNet:
    """Pre-activation ResNet-20 with projection shortcuts, as in the UvA tutorial."""
    return PreActResNet(3, tutorial=True, **kwargs)
