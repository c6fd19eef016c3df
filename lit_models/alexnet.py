"""AlexNet: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep
Convolutional Neural Networks", 2012, 3.

Deviations, all of them those of "Dive into Deep Learning", 8.1: one tower instead of two (no
groups); no local response normalisation; 224 px with padding 1 in the first convolution, so that
the maps are 54, 26, 12, 5 px wide.
"""

from torch import Tensor, nn

from lit_models.layers import output_size
from lit_models.registry import register


class AlexNet(nn.Module):
    """Five convolutions with overlapping pooling, and three linear layers with dropout."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10, image_size: int = 224) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=11, stride=4, padding=1),  # (N, 96, 54, 54)
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 26, 26)
            nn.Conv2d(96, 256, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 12, 12)
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 5, 5)
        )
        side = output_size(image_size, kernel_size=11, stride=4, padding=1)
        for _ in range(3):
            side = output_size(side, kernel_size=3, stride=2)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(256 * side * side, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(min_size=65, canonical=True)
def alexnet(**kwargs) -> AlexNet:
    """AlexNet in one tower, as in the textbook."""
    return AlexNet(**kwargs)
