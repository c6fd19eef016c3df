"""FCN: J. Long, E. Shelhamer, T. Darrell, "Fully Convolutional Networks for Semantic Segmentation",
2015, figure 3: FCN-8s.

Deviations: the backbone is ResNet-18 instead of VGG-16; it has no hidden linear layers to convert
to convolutions, so its last map is scored directly. The training protocol initialises the
upsampling filters, instead of bilinear filters, and the last of them is learned too (section 4.3
fixes it). All skips are trained from the start, not one after the other. The image is not padded;
upsampled maps are cropped at the right and the bottom.
"""

from torch import Tensor, nn

from lit_models.entries import SEGMENTATION
from lit_models.nets.resnet import resnet18
from lit_models.options import passes_on
from lit_models.registry import register


class FCN(nn.Module):
    """Class scores at strides 32, 16 and 8, summed while upsampling to the image size.

    Args:
        features: a sequence of layers; the last map at each of these strides is scored.
        channels: channels of these maps at strides 8, 16 and 32.
    """

    def __init__(
        self, features: nn.Sequential, channels: tuple[int, int, int], num_classes: int
    ) -> None:
        super().__init__()
        self.features = features
        # A 1x1 convolution applies a linear layer at every position.
        self.score8, self.score16, self.score32 = (nn.Conv2d(c, num_classes, 1) for c in channels)
        self.up32, self.up16, self.up8 = (upsampling(num_classes, by) for by in (2, 2, 8))

    def forward(self, x: Tensor) -> Tensor:
        image_size = x.shape[-2:]
        last_of_size = {}
        for layer in self.features:
            x = layer(x)
            last_of_size[x.shape[-1]] = x
        *_, maps8, maps16, maps32 = last_of_size.values()
        scores = self.score32(maps32)
        scores = crop(self.up32(scores), maps16.shape[-2:]) + self.score16(maps16)
        scores = crop(self.up16(scores), maps8.shape[-2:]) + self.score8(maps8)
        return crop(self.up8(scores), image_size)


def upsampling(channels: int, by: int) -> nn.ConvTranspose2d:
    """A transposed convolution that enlarges maps `by` times, aligned as in bilinear upsampling."""
    return nn.ConvTranspose2d(channels, channels, 2 * by, stride=by, padding=by // 2)


def crop(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop maps (N, C, H, W) to their upper left corner; `size` is its height and width."""
    return maps[..., : size[0], : size[1]]


@register(min_size=32, canonical=True, task=SEGMENTATION)
@passes_on(resnet18)
def fcn(num_classes: int = 11, **kwargs) -> FCN:
    """FCN-8s on ResNet-18."""
    return FCN(resnet18(**kwargs).features, (128, 256, 512), num_classes)
