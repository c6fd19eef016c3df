"""Equal convolutions in three stages, for studies of what a convolution is made of; no paper.

The plan is VGG's (Simonyan and Zisserman, 2015), with batch normalisation after each convolution,
and with global average pooling instead of hidden linear layers (Lin et al., 2014): nearly all
parameters and multiply-adds are in the convolutions that the options change.
"""

from torch import Tensor, nn

from lit_models.cheap_convolutions import Kind, make_conv
from lit_models.registry import register


class ConvStack(nn.Module):
    """Three stages of convolutions that preserve the size, pooled by 2 between them.

    Args:
        width: channels of the first stage; each further stage has twice as many.
        depth: convolutions of each stage.
        kernel_size: of all convolutions; odd.
        convolution: kind of all but the first, which is a standard one (see `make_conv`).

    Raises:
        ValueError: an even kernel, or groups that do not divide the width.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        image_size: int = 32,
        *,
        width: int = 16,
        depth: int = 2,
        kernel_size: int = 3,
        convolution: Kind = "standard",
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, not {kernel_size}")
        layers: list[nn.Module] = []
        channels = in_channels
        for out_channels in (width, 2 * width, 4 * width):
            if layers:
                layers.append(nn.MaxPool2d(2))
            for _ in range(depth):
                kind: Kind = convolution if layers else "standard"
                layers.append(make_conv(kind, channels, out_channels, kernel_size, bias=False))
                layers += [nn.BatchNorm2d(out_channels), nn.ReLU()]
                channels = out_channels
        self.features = nn.Sequential(*layers)  # (N, 64, 8, 8)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(min_size=8)
def convstack(**kwargs) -> ConvStack:
    """Six convolutions of one kind and kernel size, for studies of both."""
    return ConvStack(**kwargs)
