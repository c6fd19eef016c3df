"""ResNet for CIFAR-10: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image
Recognition", 2016, 4.2.

`resnet20` to `resnet110` have 6n + 2 layers with weights and shortcuts without parameters (option
A); `plain20` to `plain110` are the same nets without shortcuts, which get worse with depth (figure
6). Deviation: the training protocol chooses the initialisation.

`resnet_small` is the net of P. Lippe, "UvA Deep Learning Tutorials", tutorial 5. Its deviation from
`resnet20`: where the shape changes, the shortcut is a 1x1 convolution with bias and without batch
normalisation.
"""

from torch import Tensor, nn

from lit_models.entries import Published
from lit_models.nets.resnet import BasicBlock, Variant
from lit_models.options import passes_on
from lit_models.registry import register


class ResNetCIFAR(nn.Module):
    """A 3x3 stem, three stages of basic blocks and global average pooling.

    Args:
        depth: layers with weights, 6n + 2 for stages of n blocks.
        options: the fields of `Variant`.

    Raises:
        ValueError: no whole number of blocks makes this depth.
    """

    @passes_on(Variant)
    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        num_classes: int = 10,
        image_size: int = 32,
        **options,
    ) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if blocks < 1 or rest:
            raise ValueError(f"the depth must be 8, 14, 20, ... (6n + 2), not {depth}")
        variant, channels = Variant(**options), 16
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, channels, kernel_size=3, padding=1, bias=variant.bias),
            nn.BatchNorm2d(channels),
            nn.ReLU(),  # (N, 16, 32, 32)
        ]
        for width in (16, 32, 64):
            for number in range(blocks):
                stride = 2 if width > 16 and number == 0 else 1
                layers.append(BasicBlock(channels, width, stride, variant))
                channels = width
        self.features = nn.Sequential(*layers)  # (N, 64, 8, 8)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


def cifar_figures(parameters: int, source: str = "the layers of section 4.2") -> Published:
    """Parameters of a net for CIFAR-10; the paper rounds them to 0.01 million (table 6)."""
    return Published(source, parameters, num_classes=10, image_size=32)


@register(min_size=8, published=cifar_figures(269_722))
def resnet20(**kwargs) -> ResNetCIFAR:
    """ResNet-20 for CIFAR-10, stages of 3 blocks."""
    return ResNetCIFAR(20, shortcut="A", **kwargs)


@register(min_size=8, published=cifar_figures(464_154))
def resnet32(**kwargs) -> ResNetCIFAR:
    """ResNet-32 for CIFAR-10, stages of 5 blocks."""
    return ResNetCIFAR(32, shortcut="A", **kwargs)


@register(min_size=8, published=cifar_figures(658_586))
def resnet44(**kwargs) -> ResNetCIFAR:
    """ResNet-44 for CIFAR-10, stages of 7 blocks."""
    return ResNetCIFAR(44, shortcut="A", **kwargs)


@register(min_size=8, published=cifar_figures(853_018))
def resnet56(**kwargs) -> ResNetCIFAR:
    """ResNet-56 for CIFAR-10, stages of 9 blocks."""
    return ResNetCIFAR(56, shortcut="A", **kwargs)


@register(min_size=8, published=cifar_figures(1_727_962))
def resnet110(**kwargs) -> ResNetCIFAR:
    """ResNet-110 for CIFAR-10, stages of 18 blocks."""
    return ResNetCIFAR(110, shortcut="A", **kwargs)


@register(min_size=8, published=cifar_figures(269_722))
def plain20(**kwargs) -> ResNetCIFAR:
    """ResNet-20 without shortcuts."""
    return ResNetCIFAR(20, shortcut="none", **kwargs)


@register(min_size=8, published=cifar_figures(464_154))
def plain32(**kwargs) -> ResNetCIFAR:
    """ResNet-32 without shortcuts."""
    return ResNetCIFAR(32, shortcut="none", **kwargs)


@register(min_size=8, published=cifar_figures(658_586))
def plain44(**kwargs) -> ResNetCIFAR:
    """ResNet-44 without shortcuts."""
    return ResNetCIFAR(44, shortcut="none", **kwargs)


@register(min_size=8, published=cifar_figures(853_018))
def plain56(**kwargs) -> ResNetCIFAR:
    """ResNet-56 without shortcuts."""
    return ResNetCIFAR(56, shortcut="none", **kwargs)


@register(min_size=8, published=cifar_figures(1_727_962))
def plain110(**kwargs) -> ResNetCIFAR:
    """ResNet-110 without shortcuts."""
    return ResNetCIFAR(110, shortcut="none", **kwargs)


@register(min_size=8, published=cifar_figures(272_378, "UvA tutorial 5, ResNet"))
def resnet_small(**kwargs) -> ResNetCIFAR:
    """ResNet-20 with biased projection shortcuts, as in the UvA tutorial."""
    return ResNetCIFAR(20, shortcut="B", shortcut_norm=False, **kwargs)
