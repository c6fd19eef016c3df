"""AlexNet's plan at 32 px with a variable number of first-layer filters, from a study of these
filters on CIFAR-10. A net of teaching material, without a paper.

Deviation from that material: dropout precedes the first two linear layers; before the softmax it
would set logits to zero. The net returns logits.

The other options serve studies. Strided convolutions replace pooling as in J. T. Springenberg, A.
Dosovitskiy, T. Brox, M. Riedmiller, "Striving for Simplicity: The All Convolutional Net", 2015,
table 2: `stride` is their strided net, `convolution` their all-convolutional net.
"""

from typing import Literal

from torch import Tensor, nn

from lit_models.entries import Published
from lit_models.layers import output_size
from lit_models.registry import register

Pooling = Literal["max", "average", "stride", "convolution"]


class ConvNet(nn.Module):
    """Four 3x3 convolutions, the first two with overlapping pooling, and three linear layers.

    Args:
        first_layer_filters: output channels of the first convolution.
        pooling: what halves the maps: max or average pooling of 3x3; stride, a stride of 2 in the
            convolution before; convolution, another 3x3 convolution with a stride of 2.
        head: linear, the three linear layers; average, global average pooling and one linear layer.
        norm: batch normalisation follows each convolution.
        dilation: of the last two convolutions, padded so that the maps keep their size; the cost is
            that of the net without, the receptive field larger by 16 pixels for each step.
        narrowing: divisor of the channels of the other convolutions, and of the linear layers.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        image_size: int = 32,
        *,
        first_layer_filters: int = 64,
        pooling: Pooling = "max",
        head: Literal["linear", "average"] = "linear",
        norm: bool = False,
        dilation: int = 1,
        narrowing: int = 1,
    ) -> None:
        super().__init__()
        middle, last, units = (width // narrowing for width in (384, 256, 4096))
        self.features = nn.Sequential(
            *halving(in_channels, first_layer_filters, pooling, norm),  # 16 px
            *halving(first_layer_filters, middle, pooling, norm),  # 8 px
            *convolution(middle, middle, norm, padding=dilation - 1, dilation=dilation),  # 6 px
            *convolution(middle, last, norm, padding=dilation - 1, dilation=dilation),
        )  # (N, 256, 4, 4)
        side = image_size
        for _ in range(2):
            side = output_size(output_size(side, 3, padding=2), kernel_size=3, stride=2)
        side -= 4
        if head == "average":
            self.classifier = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, num_classes)
            )
            return
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(last * side * side, units),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(units, units),
            nn.ReLU(),
            nn.Linear(units, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


def convolution(in_channels: int, channels: int, norm: bool, **options: int) -> list[nn.Module]:
    """A 3x3 convolution with options of `Conv2d`, batch normalisation if asked for, and ReLU."""
    layer = nn.Conv2d(in_channels, channels, kernel_size=3, **options)
    return [layer, *([nn.BatchNorm2d(channels)] if norm else []), nn.ReLU()]


def halving(in_channels: int, channels: int, pooling: Pooling, norm: bool) -> list[nn.Module]:
    """A convolution, and what halves the maps: 32 px become 16 px, whatever halves them."""
    if pooling == "stride":
        return convolution(in_channels, channels, norm, stride=2, padding=1)
    layers = convolution(in_channels, channels, norm, padding=2)  # 34 px
    match pooling:
        case "max":
            return [*layers, nn.MaxPool2d(kernel_size=3, stride=2)]
        case "average":
            return [*layers, nn.AvgPool2d(kernel_size=3, stride=2)]
        case "convolution":
            return [*layers, *convolution(channels, channels, norm, stride=2)]
    raise ValueError(f"pooling {pooling!r} is not implemented")


@register(
    min_size=17,
    published=Published("lecture notes", 36_039_434, 169_188_096, num_classes=10, image_size=32),
)
def convnet(**kwargs) -> ConvNet:
    """Four convolutions and three linear layers; 64 filters in the first by default."""
    return ConvNet(**kwargs)
