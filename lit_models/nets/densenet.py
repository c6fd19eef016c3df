"""DenseNet: G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, "Densely Connected Convolutional
Networks", 2017, 3.

`densenet121` is the paper's DenseNet-BC of table 1, the same net as torchvision's. `densenet` is
the net of "Dive into Deep Learning", 8.7. Its deviations: dense layers of one 3x3 convolution (no
1x1 bottleneck), four blocks of four layers at growth rate 32, convolutions with bias.

`densenet_small` is the net for CIFAR-10 of P. Lippe, "UvA Deep Learning Tutorials", tutorial 5. It
has the stem of section 3 for small images: a 3x3 convolution to two growth rates. Its deviations
from the paper's nets for CIFAR-10: four blocks of six layers instead of three, bottlenecks of two
growth rates instead of four, a stem with bias; the training protocol chooses the initialisation.
"""

import torch
from torch import Tensor, nn

from lit_models.entries import Published
from lit_models.registry import register


def norm_relu_conv(
    in_channels: int, out_channels: int, kernel_size: int, bias: bool
) -> list[nn.Module]:
    """The composite function H of section 3: batch normalisation, ReLU, convolution."""
    padding = kernel_size // 2
    return [
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, bias=bias),
    ]


class DenseBlock(nn.Module):
    """Layers that each take the concatenated outputs of all layers before (equation 2).

    Args:
        in_channels: channels of the input.
        layers: number of dense layers.
        growth_rate: channels that each layer adds.
        bottleneck: a 1x1 convolution to so many growth rates starts each layer (DenseNet-B); 0:
            none.
        bias: give the convolutions a bias.
    """

    def __init__(
        self, in_channels: int, layers: int, growth_rate: int, bottleneck: int, bias: bool
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for i in range(layers):
            channels = in_channels + i * growth_rate
            steps: list[nn.Module] = []
            if bottleneck:
                steps += norm_relu_conv(channels, bottleneck * growth_rate, 1, bias)
                channels = bottleneck * growth_rate
            steps += norm_relu_conv(channels, growth_rate, 3, bias)
            self.layers.append(nn.Sequential(*steps))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class DenseNet(nn.Module):
    """A stem and dense blocks, separated by transitions that halve channels and size.

    Args:
        depths: number of dense layers in each block.
        growth_rate, bottleneck, bias: as in `DenseBlock`.
        small_images: the stem is a 3x3 convolution with bias, instead of a 7x7 convolution and
            pooling that divide the size by 4.
    """

    def __init__(
        self,
        depths: tuple[int, ...] = (4, 4, 4, 4),
        *,
        growth_rate: int = 32,
        bottleneck: int = 0,
        bias: bool = True,
        small_images: bool = False,
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 224,
    ) -> None:
        super().__init__()
        layers: list[nn.Module]
        if small_images:
            channels = 2 * growth_rate
            layers = [nn.Conv2d(in_channels, channels, kernel_size=3, padding=1)]
        else:
            channels = 64
            layers = [
                nn.Conv2d(in_channels, channels, kernel_size=7, stride=2, padding=3, bias=bias),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
                nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 64, 56, 56)
            ]
        for i, depth in enumerate(depths):
            if i > 0:
                halve = norm_relu_conv(channels, channels // 2, 1, bias)
                layers += [nn.Sequential(*halve), nn.AvgPool2d(2)]
                channels //= 2
            layers.append(DenseBlock(channels, depth, growth_rate, bottleneck, bias))
            channels += depth * growth_rate
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        self.features = nn.Sequential(*layers)  # (N, 248, 7, 7)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(
    min_size=32,
    canonical=True,
    published=Published(
        "Dive into Deep Learning",
        758_226,
        129_077_168,
        in_channels=1,
        num_classes=10,
        image_size=96,
    ),
)
def densenet(**kwargs) -> DenseNet:
    """DenseNet with four blocks of four layers, as in the textbook."""
    return DenseNet(**kwargs)


@register(min_size=32, published=Published("torchvision, densenet121", 7_978_856, 2_834_161_664))
def densenet121(**kwargs) -> DenseNet:
    """DenseNet-121 (BC), the same net as torchvision's."""
    return DenseNet((6, 12, 24, 16), bottleneck=4, bias=False, **kwargs)


@register(
    min_size=8,
    published=Published("UvA tutorial 5, DenseNet", 239_146, num_classes=10, image_size=32),
)
def densenet_small(**kwargs) -> DenseNet:
    """DenseNet-BC for 32 px with four blocks of six layers, as in the UvA tutorial."""
    return DenseNet(
        (6, 6, 6, 6), growth_rate=16, bottleneck=2, bias=False, small_images=True, **kwargs
    )
