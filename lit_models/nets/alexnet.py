"""AlexNet: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep
Convolutional Neural Networks", 2012, 3.

Common deviations: one tower instead of two (no groups); no local response normalisation.

`alexnet_227` has the paper's maps of 55, 27, 13 and 6 px: windows of 11x11 at stride 4 fit 227 px,
not the 224 px of the text. `alexnet` is the net of "Dive into Deep Learning", 8.1: 224 px with
padding 1 in the first convolution, and maps of 54, 26, 12 and 5 px. `alexnet_owt` is torchvision's
net, the single tower of A. Krizhevsky, "One weird trick for parallelizing convolutional neural
networks", 2014: fewer channels, padding 2, dropout before the linear layers. It deviates from
torchvision's net: the first linear layer fits `image_size`, without adaptive pooling.
"""

from itertools import pairwise

from torch import Tensor, nn

from lit_models.entries import Published
from lit_models.layers import output_size
from lit_models.registry import register


class AlexNet(nn.Module):
    """Five convolutions with overlapping pooling, and three linear layers with dropout.

    Args:
        channels: output channels of the five convolutions.
        padding: padding of the first convolution.
        dropout_first: dropout precedes the linear layers instead of following their ReLU.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 224,
        *,
        channels: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
        padding: int = 1,
        dropout_first: bool = False,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, c1, kernel_size=11, stride=4, padding=padding),  # 54 px
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 26, 26)
            nn.Conv2d(c1, c2, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 12, 12)
            nn.Conv2d(c2, c3, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c3, c4, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c4, c5, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 5, 5)
        )
        side = output_size(image_size, kernel_size=11, stride=4, padding=padding)
        for _ in range(3):
            side = output_size(side, kernel_size=3, stride=2)
        widths = (c5 * side * side, 4096, 4096)
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(widths):
            hidden = [nn.Linear(inputs, outputs), nn.ReLU()]
            layers += [nn.Dropout(0.5), *hidden] if dropout_first else [*hidden, nn.Dropout(0.5)]
        self.classifier = nn.Sequential(*layers, nn.Linear(4096, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(
    min_size=65,
    canonical=True,
    published=Published(
        "Dive into Deep Learning", 46_764_746, 938_146_176, in_channels=1, num_classes=10
    ),
)
def alexnet(**kwargs) -> AlexNet:
    """AlexNet in one tower, as in the textbook."""
    return AlexNet(**kwargs)


@register(
    min_size=67,
    published=Published("lecture notes", 62_378_344, 1_135_256_096, image_size=227),
)
def alexnet_227(**kwargs) -> AlexNet:
    """AlexNet in one tower with the paper's maps, for 227 px."""
    return AlexNet(padding=0, **kwargs)


@register(min_size=63, published=Published("torchvision, alexnet", 61_100_840, 714_188_480))
def alexnet_owt(**kwargs) -> AlexNet:
    """AlexNet in the narrower tower of 2014, the same net as torchvision's."""
    return AlexNet(channels=(64, 192, 384, 256, 256), padding=2, dropout_first=True, **kwargs)
