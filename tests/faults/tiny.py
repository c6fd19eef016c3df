"""A net that trains in no time, and whose dropout and batch normalisation have a state to lose."""

from torch import Tensor, nn

from lit_models.registry import register


class Tiny(nn.Module):
    def __init__(self, in_channels: int, num_classes: int, image_size: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, 8, 3, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(8 * 4 * 4, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


@register(min_size=8)
def tiny(**kwargs) -> Tiny:
    """A convolution, batch normalisation, dropout and a linear layer."""
    return Tiny(**kwargs)
