"""U-Net: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", 2015, figure 1.

Deviations: the convolutions are padded, so the logits have the size of the image and no map is
cropped; at odd sizes the up-convolution adds the row or column that pooling dropped. `unet` has a
quarter of the paper's channels: enough for garments of 28 px, and trained on a CPU in minutes.
`unet_wide` has the paper's channels.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from lit_models.entries import SEGMENTATION
from lit_models.registry import register


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each with ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.ReLU(),
        )


class Up(nn.Module):
    """A 2x2 up-convolution, concatenation with the map of that size, and a double convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.convs = DoubleConv(2 * out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x, output_size=skip.shape[-2:])
        return self.convs(torch.cat([skip, x], dim=1))


class UNet(nn.Module):
    """A contracting path with four halvings and an expanding path with four doublings.

    Args:
        channels: channels of each of the five levels, from the top to the bottom.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        in_channels: int = 1,
        num_classes: int = 11,
        image_size: int = 224,
    ) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(
            DoubleConv(above, below) for above, below in pairwise((in_channels, *channels))
        )
        # "Drop-out layers at the end of the contracting path" (section 3.1): on the last two
        # levels, as in the authors' released net
        self.down[-2].append(nn.Dropout(0.5))
        self.down[-1].append(nn.Dropout(0.5))
        self.up = nn.ModuleList(Up(below, above) for below, above in pairwise(channels[::-1]))
        self.classifier = nn.Conv2d(channels[0], num_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for level in self.down:
            x = level(self.pool(x) if skips else x)
            skips.append(x)  # (N, 64, 224, 224) to (N, 1024, 14, 14) with the paper's channels
        for level, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = level(x, skip)
        return self.classifier(x)


@register(min_size=16, canonical=True, task=SEGMENTATION)
def unet(**kwargs) -> UNet:
    """U-Net with a quarter of the published channels: 16 to 256."""
    return UNet((16, 32, 64, 128, 256), **kwargs)


@register(min_size=16, task=SEGMENTATION)
def unet_wide(**kwargs) -> UNet:
    """U-Net with the published channels: 64 to 1024."""
    return UNet((64, 128, 256, 512, 1024), **kwargs)
