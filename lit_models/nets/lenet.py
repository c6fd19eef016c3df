"""LeNet-5: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document
Recognition", 1998, II.B.

`lenet5_tanh` is the net of the paper, with scaled tanh, pooling with a weight and a bias per map,
and the table of connections between S2 and C3. Its deviations: a linear output layer instead of
Gaussian connections to fixed patterns; the kernel of C5 fits the image size (5x5 at 32 px).

`lenet` is the net of "Dive into Deep Learning", 7.6. Its deviations: images of 28 px, padded by 2
in the first convolution, instead of 32 px; sigmoid instead of tanh; plain average pooling; C3 sees
all six maps of S2. `lenet_relu` is a wider, modern net on the same plan: 16 and 32 maps, ReLU, max
pooling, for 32 px.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lit_models.entries import Published
from lit_models.layers import output_size
from lit_models.registry import register

# The maps of S2 that each map of C3 sees; table I
CONNECTIONS = (
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6) for i in range(3)),
    (0, 1, 2, 3, 4, 5),
)


class LeNet(nn.Module):
    """Two convolutions, each followed by pooling, and three linear layers.

    Args:
        channels: output channels of the two convolutions.
        padding: padding of the first convolution.
        activation: class of the activations.
        pooling: class of the poolings, called with their kernel size.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 28,
        *,
        channels: tuple[int, int] = (6, 16),
        padding: int = 2,
        activation: type[nn.Module] = nn.Sigmoid,
        pooling: type[nn.Module] = nn.AvgPool2d,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, channels[0], kernel_size=5, padding=padding),  # (N, 6, 28, 28)
            activation(),
            pooling(2),  # (N, 6, 14, 14)
            nn.Conv2d(*channels, kernel_size=5),  # (N, 16, 10, 10)
            activation(),
            pooling(2),  # (N, 16, 5, 5)
        )
        side = output_size(image_size, kernel_size=5, padding=padding) // 2
        side = output_size(side, kernel_size=5) // 2
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels[1] * side * side, 120),
            activation(),
            nn.Linear(120, 84),
            activation(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3): 1 at 1 and -1 at -1 (appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """Average pooling that halves the size, then a weight and a bias per map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) * self.weight + self.bias


class SparseConv(nn.Module):
    """A 5x5 convolution in which each output map sees a subset of the input maps (table I)."""

    def __init__(self, connections: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.connections = connections
        self.maps = nn.ModuleList(nn.Conv2d(len(seen), 1, kernel_size=5) for seen in connections)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [
            conv(torch.cat([x[:, i : i + 1] for i in seen], dim=1))
            for conv, seen in zip(self.maps, self.connections, strict=True)
        ]
        return torch.cat(outputs, dim=1)


class LeNet1998(nn.Module):
    """The layers C1 to F6 of the paper, and a linear output layer."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10, image_size: int = 32) -> None:
        super().__init__()
        side = output_size(output_size(image_size, kernel_size=5) // 2, kernel_size=5) // 2
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5),  # C1 (N, 6, 28, 28)
            ScaledTanh(),
            Subsampling(6),  # S2 (N, 6, 14, 14)
            ScaledTanh(),
            SparseConv(CONNECTIONS),  # C3 (N, 16, 10, 10)
            ScaledTanh(),
            Subsampling(16),  # S4 (N, 16, 5, 5)
            ScaledTanh(),
            nn.Conv2d(16, 120, kernel_size=side),  # C5 (N, 120, 1, 1)
            ScaledTanh(),
            nn.Flatten(),
            nn.Linear(120, 84),  # F6
            ScaledTanh(),
        )
        self.output = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x))


@register(
    min_size=12,
    canonical=True,
    published=Published(
        "Dive into Deep Learning", 61_706, 416_520, in_channels=1, num_classes=10, image_size=28
    ),
)
def lenet(**kwargs) -> LeNet:
    """LeNet-5 with sigmoid and average pooling, as in the textbook."""
    return LeNet(**kwargs)


@register(
    min_size=16,
    published=Published(
        "the paper, without its output layer",
        60_000,
        in_channels=1,
        num_classes=10,
        image_size=32,
        module="features",
    ),
)
def lenet5_tanh(**kwargs) -> LeNet1998:
    """LeNet-5 of 1998: scaled tanh, weighted pooling, sparse connections."""
    return LeNet1998(**kwargs)


@register(
    min_size=16,
    published=Published("lecture notes", 121_182, 2_327_720, num_classes=10, image_size=32),
)
def lenet_relu(**kwargs) -> LeNet:
    """LeNet-5's plan with 16 and 32 maps, ReLU and max pooling."""
    options = {"activation": nn.ReLU, "pooling": nn.MaxPool2d}
    return LeNet(channels=(16, 32), padding=0, **options, **kwargs)
