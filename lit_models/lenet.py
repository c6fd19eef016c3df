"""LeNet-5: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, II.B.

Deviations, all of them those of "Dive into Deep Learning", 7.6: the images are 28 px padded by 2
in the first convolution instead of 32 px; sigmoid instead of scaled tanh; plain average pooling
without weights; C3 sees all six maps of S2; a linear layer instead of Gaussian connections.
"""

from torch import Tensor, nn

from lit_models.layers import output_size
from lit_models.registry import register


class LeNet(nn.Module):
    """Two convolutions, each with average pooling, and three linear layers."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10, image_size: int = 28) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5, padding=2),  # (N, 6, 28, 28)
            nn.Sigmoid(),
            nn.AvgPool2d(2),  # (N, 6, 14, 14)
            nn.Conv2d(6, 16, kernel_size=5),  # (N, 16, 10, 10)
            nn.Sigmoid(),
            nn.AvgPool2d(2),  # (N, 16, 5, 5)
        )
        side = output_size(image_size // 2, kernel_size=5) // 2
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * side * side, 120),
            nn.Sigmoid(),
            nn.Linear(120, 84),
            nn.Sigmoid(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(min_size=12, canonical=True)
def lenet(**kwargs) -> LeNet:
    """LeNet-5 with sigmoid and average pooling, as in the textbook."""
    return LeNet(**kwargs)
