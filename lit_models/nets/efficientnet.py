"""EfficientNet: M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", 2019, table 1 and section 3.3.

The nets are torchvision's: widths, depths and dropout of the authors' code, stochastic depth up to
0.2. B5 to B7 have the authors' batch normalisation (momentum 0.01, epsilon 0.001), B0 to B4
PyTorch's. Each takes any image size; the paper scales it from 224 px for B0 to 600 px for B7.
"""

from math import ceil

from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation, StochasticDepth

from lit_models.entries import Published
from lit_models.registry import register

# (expansion, kernel size, stride, channels, layers) of each stage of B0; table 1
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
# (width, depth, dropout) of B0 to B7
SCALES = (
    (1.0, 1.0, 0.2),
    (1.0, 1.1, 0.2),
    (1.1, 1.2, 0.3),
    (1.2, 1.4, 0.3),
    (1.4, 1.8, 0.4),
    (1.6, 2.2, 0.4),
    (1.8, 2.6, 0.5),
    (2.0, 3.1, 0.5),
)


def scaled_width(channels: int, factor: float) -> int:
    """Channels times `factor`, rounded to a multiple of 8 that is at least 0.9 of the product."""
    wanted = channels * factor
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def conv_norm_silu(
    in_channels: int, out_channels: int, kernel_size: int, stride: int, groups: int, norm: dict
) -> list[nn.Module]:
    padding = kernel_size // 2
    return [
        nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out_channels, **norm),
        nn.SiLU(),
    ]


class MBConv(nn.Module):
    """Mobile inverted bottleneck: expansion, depthwise convolution, channel gate, projection.

    The block of MobileNetV2 (Sandler et al., 2018) with squeeze-and-excitation (Hu et al., 2018),
    whose inner width is a quarter of the block's input channels.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        expansion: ratio of inner to input channels; 1: no expanding convolution.
        kernel_size, stride: those of the depthwise convolution.
        drop: probability that training skips a block with a shortcut for an example.
        norm: options of batch normalisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int,
        kernel_size: int,
        stride: int,
        *,
        drop: float,
        norm: dict,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += conv_norm_silu(in_channels, inner, 1, 1, 1, norm)
        layers += conv_norm_silu(inner, inner, kernel_size, stride, inner, norm)
        layers += [
            SqueezeExcitation(inner, max(1, in_channels // 4), activation=nn.SiLU),
            nn.Conv2d(inner, out_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(out_channels, **norm),
        ]
        self.layers = nn.Sequential(*layers)
        has_shortcut = stride == 1 and in_channels == out_channels
        self.drop = StochasticDepth(drop, mode="row") if has_shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) if self.drop is None else x + self.drop(self.layers(x))


class EfficientNet(nn.Module):
    """Seven stages of MBConv, scaled in width and depth.

    Args:
        scale: 0 to 7, for B0 to B7.
        stochastic_depth: limit of the drop probability, which grows linearly with depth from 0.
    """

    def __init__(
        self,
        scale: int,
        in_channels: int = 3,
        num_classes: int = 1000,
        image_size: int = 224,
        stochastic_depth: float = 0.2,
    ) -> None:
        super().__init__()
        width, depth, dropout = SCALES[scale]
        norm = {"eps": 1e-3, "momentum": 0.01} if scale >= 5 else {}
        channels = scaled_width(32, width)
        layers = conv_norm_silu(in_channels, channels, 3, 2, 1, norm)  # (N, 32, 112, 112)
        blocks = [
            (scaled_width(wanted, width), expansion, kernel_size, stride if number == 0 else 1)
            for expansion, kernel_size, stride, wanted, repeats in STAGES
            for number in range(ceil(repeats * depth))
        ]
        for number, block in enumerate(blocks):
            drop = stochastic_depth * number / len(blocks)
            layers.append(MBConv(channels, *block, drop=drop, norm=norm))
            channels = block[0]
        layers += conv_norm_silu(channels, 4 * channels, 1, 1, 1, norm)
        self.features = nn.Sequential(*layers)  # (N, 1280, 7, 7)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(4 * channels, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(
    min_size=32,
    canonical=True,
    published=Published("torchvision, efficientnet_b0", 5_288_548, 385_814_752),
)
def efficientnet_b0(**kwargs) -> EfficientNet:
    """EfficientNet-B0, the same net as torchvision's."""
    return EfficientNet(0, **kwargs)


@register(
    min_size=32,
    published=Published("torchvision, efficientnet_b1", 7_794_184, 686_802_832, image_size=240),
)
def efficientnet_b1(**kwargs) -> EfficientNet:
    """EfficientNet-B1, the same net as torchvision's."""
    return EfficientNet(1, **kwargs)


@register(
    min_size=32,
    published=Published("torchvision, efficientnet_b2", 9_109_994, 1_087_529_456, image_size=288),
)
def efficientnet_b2(**kwargs) -> EfficientNet:
    """EfficientNet-B2, the same net as torchvision's."""
    return EfficientNet(2, **kwargs)


@register(
    min_size=32,
    published=Published("torchvision, efficientnet_b3", 12_233_232, 1_827_141_392, image_size=300),
)
def efficientnet_b3(**kwargs) -> EfficientNet:
    """EfficientNet-B3, the same net as torchvision's."""
    return EfficientNet(3, **kwargs)


@register(
    min_size=32,
    published=Published("torchvision, efficientnet_b4", 19_341_616, 4_393_771_024, image_size=380),
)
def efficientnet_b4(**kwargs) -> EfficientNet:
    """EfficientNet-B4, the same net as torchvision's."""
    return EfficientNet(4, **kwargs)


@register(
    min_size=32,
    published=Published("torchvision, efficientnet_b5", 30_389_784, 10_266_384_752, image_size=456),
)
def efficientnet_b5(**kwargs) -> EfficientNet:
    """EfficientNet-B5, the same net as torchvision's."""
    return EfficientNet(5, **kwargs)


@register(
    min_size=32,
    published=Published("torchvision, efficientnet_b6", 43_040_704, 19_067_593_536, image_size=528),
)
def efficientnet_b6(**kwargs) -> EfficientNet:
    """EfficientNet-B6, the same net as torchvision's."""
    return EfficientNet(6, **kwargs)


@register(
    min_size=32,
    published=Published("torchvision, efficientnet_b7", 66_347_960, 37_745_884_192, image_size=600),
)
def efficientnet_b7(**kwargs) -> EfficientNet:
    """EfficientNet-B7, the same net as torchvision's."""
    return EfficientNet(7, **kwargs)
