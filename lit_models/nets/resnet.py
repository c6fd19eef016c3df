"""ResNet: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", 2016;
ResNeXt: S. Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", 2017;
Wide ResNet: S. Zagoruyko, N. Komodakis, "Wide Residual Networks", 2016.

`resnet18` to `resnet152`, `resnext50_32x4d` and `wide_resnet50_2` are torchvision's nets. Their
deviations from the papers: the stride of a bottleneck is in its 3x3 convolution instead of its
first 1x1 convolution; the training protocol chooses the initialisation.

`resnet101_option_c` has a projection in every block (option C of section 3.3) and strides in the
1x1 convolutions. `plain18` and `plain34` are the nets of section 3.3 without shortcuts, which show
degradation. `resnet18_d2l` is the net of "Dive into Deep Learning", 8.6. Its deviations: every
convolution has a bias, and the projection shortcut has no batch normalisation.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from lit_models.entries import Published
from lit_models.options import passes_on
from lit_models.registry import register

Shortcut = Literal["A", "B", "C", "none"]
StrideIn = Literal["1x1", "3x3"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Options of the blocks of this family.

    Args:
        shortcut: A: zeros for new channels where the shape changes; B: a 1x1 convolution where the
            shape changes; C: a 1x1 convolution in every block; none: no shortcuts (section 3.3).
        stride_in: the convolution of a bottleneck that has the stride.
        groups: groups of the 3x3 convolution of a bottleneck.
        group_width: channels of each group in the first stage.
        zero_init_last: initialise the last normalisation of each block with weight zero, so each
            block starts as its shortcut (Goyal et al., 2017, 5.1).
        bias: give the convolutions a bias.
        shortcut_norm: batch normalisation follows a 1x1 convolution in a shortcut, which has a bias
            otherwise.
    """

    shortcut: Shortcut = "B"
    stride_in: StrideIn = "3x3"
    groups: int = 1
    group_width: int = 64
    zero_init_last: bool = False
    bias: bool = False
    shortcut_norm: bool = True

    def __post_init__(self) -> None:
        for name, hint in (("shortcut", Shortcut), ("stride_in", StrideIn)):
            if (value := getattr(self, name)) not in get_args(hint):
                raise ValueError(f"{name} must be one of {get_args(hint)}, not {value!r}")


class ZeroPadShortcut(nn.Module):
    """Option A: every `stride`-th pixel, and zeros for new channels."""

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels, self.stride = new_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


def make_shortcut(
    in_channels: int, out_channels: int, stride: int, variant: Variant
) -> nn.Module | None:
    if variant.shortcut == "none":
        return None
    if variant.shortcut != "C" and stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if variant.shortcut == "A":
        return ZeroPadShortcut(out_channels - in_channels, stride)
    bias = variant.bias or not variant.shortcut_norm
    conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=bias)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels)) if variant.shortcut_norm else conv


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (figure 5, left)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, variant: Variant) -> None:
        super().__init__()
        if (variant.stride_in, variant.groups, variant.group_width) != ("3x3", 1, 64):
            raise ValueError("only bottlenecks have stride_in, groups and group_width")
        bias = variant.bias
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=bias)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.shortcut = make_shortcut(in_channels, width, stride, variant)
        if variant.zero_init_last:
            nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        return self.relu(residual if self.shortcut is None else residual + self.shortcut(x))


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1, and a shortcut (figure 5, right)."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, variant: Variant) -> None:
        super().__init__()
        bias, groups = variant.bias, variant.groups
        inner, out_channels = width * variant.group_width // 64 * groups, width * self.expansion
        first, second = (stride, 1) if variant.stride_in == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, inner, 1, first, bias=bias)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, second, padding=1, groups=groups, bias=bias)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, 1, bias=bias)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.shortcut = make_shortcut(in_channels, out_channels, stride, variant)
        if variant.zero_init_last:
            nn.init.zeros_(self.bn3.weight)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.relu(self.bn1(self.conv1(x)))
        residual = self.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        return self.relu(residual if self.shortcut is None else residual + self.shortcut(x))


class ResNet(nn.Module):
    """A 7x7 stem, four stages of blocks and global average pooling (table 1).

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: blocks in each of the four stages.
        options: the fields of `Variant`.
    """

    @passes_on(Variant)
    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: tuple[int, int, int, int],
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 224,
        **options,
    ) -> None:
        super().__init__()
        variant = Variant(**options)
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=variant.bias),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # (N, 64, 56, 56)
        ]
        channels = 64
        for stage, depth in enumerate(depths):
            width = 64 * 2**stage
            for number in range(depth):
                stride = 2 if stage > 0 and number == 0 else 1
                layers.append(block(channels, width, stride, variant))
                channels = width * block.expansion
        self.features = nn.Sequential(*layers)  # (N, 512 or 2048, 7, 7)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(
    min_size=32,
    canonical=True,
    published=Published("torchvision, resnet18", 11_689_512, 1_814_073_344),
)
def resnet18(**kwargs) -> ResNet:
    """ResNet-18, the same net as torchvision's."""
    return ResNet(BasicBlock, (2, 2, 2, 2), **kwargs)


@register(min_size=32, published=Published("torchvision, resnet34", 21_797_672, 3_663_761_408))
def resnet34(**kwargs) -> ResNet:
    """ResNet-34, the same net as torchvision's."""
    return ResNet(BasicBlock, (3, 4, 6, 3), **kwargs)


@register(min_size=32, published=Published("torchvision, resnet50", 25_557_032, 4_089_184_256))
def resnet50(**kwargs) -> ResNet:
    """ResNet-50, the same net as torchvision's."""
    return ResNet(Bottleneck, (3, 4, 6, 3), **kwargs)


@register(min_size=32, published=Published("torchvision, resnet101", 44_549_160, 7_801_405_440))
def resnet101(**kwargs) -> ResNet:
    """ResNet-101, the same net as torchvision's."""
    return ResNet(Bottleneck, (3, 4, 23, 3), **kwargs)


@register(min_size=32, published=Published("lecture notes", 76_981_288, 13_530_300_416))
def resnet101_option_c(**kwargs) -> ResNet:
    """ResNet-101 with a projection in every block and strides in the 1x1 convolutions."""
    return ResNet(Bottleneck, (3, 4, 23, 3), shortcut="C", stride_in="1x1", **kwargs)


@register(min_size=32, published=Published("torchvision, resnet152", 60_192_808, 11_513_626_624))
def resnet152(**kwargs) -> ResNet:
    """ResNet-152, the same net as torchvision's."""
    return ResNet(Bottleneck, (3, 8, 36, 3), **kwargs)


@register(
    min_size=32, published=Published("torchvision, resnext50_32x4d", 25_028_904, 4_230_479_872)
)
def resnext50_32x4d(**kwargs) -> ResNet:
    """ResNeXt-50 with 32 groups of 4 channels, the same net as torchvision's."""
    return ResNet(Bottleneck, (3, 4, 6, 3), groups=32, group_width=4, **kwargs)


@register(
    min_size=32, published=Published("torchvision, wide_resnet50_2", 68_883_240, 11_398_021_120)
)
def wide_resnet50_2(**kwargs) -> ResNet:
    """ResNet-50 with twice the inner channels, the same net as torchvision's."""
    return ResNet(Bottleneck, (3, 4, 6, 3), group_width=128, **kwargs)


@register(min_size=32)
def plain18(**kwargs) -> ResNet:
    """ResNet-18 without shortcuts."""
    return ResNet(BasicBlock, (2, 2, 2, 2), shortcut="none", **kwargs)


@register(min_size=32)
def plain34(**kwargs) -> ResNet:
    """ResNet-34 without shortcuts."""
    return ResNet(BasicBlock, (3, 4, 6, 3), shortcut="none", **kwargs)


@register(
    min_size=32,
    published=Published(
        "Dive into Deep Learning",
        11_178_378,
        318_657_536,
        in_channels=1,
        num_classes=10,
        image_size=96,
    ),
)
def resnet18_d2l(**kwargs) -> ResNet:
    """ResNet-18 as in the textbook: biased convolutions, bare projection shortcuts."""
    return ResNet(BasicBlock, (2, 2, 2, 2), bias=True, shortcut_norm=False, **kwargs)
