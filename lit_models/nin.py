"""Network in Network: M. Lin, Q. Chen, S. Yan, "Network In Network", 2014, 3.

Deviations, all of them those of "Dive into Deep Learning", 8.3: the kernel sizes and channels of
AlexNet, for images of 224 px. As in the paper, ReLU follows the class maps too, so a logit is
never negative and a class whose map dies is lost.
"""

from torch import Tensor, nn

from lit_models.registry import register


def mlpconv(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0
) -> nn.Sequential:
    """A convolution and two 1x1 convolutions: a perceptron slid over the image (section 3.1)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.ReLU(),
    )


class NiN(nn.Module):
    """Four mlpconv layers; global average pooling of one map a class gives the logits."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10, image_size: int = 224) -> None:
        super().__init__()
        self.features = nn.Sequential(
            mlpconv(in_channels, 96, kernel_size=11, stride=4),  # (N, 96, 54, 54)
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 26, 26)
            mlpconv(96, 256, kernel_size=5, padding=2),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 12, 12)
            mlpconv(256, 384, kernel_size=3, padding=1),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 384, 5, 5)
        )
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            mlpconv(384, num_classes, kernel_size=3, padding=1),  # (N, num_classes, 5, 5)
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(min_size=67, canonical=True)
def nin(**kwargs) -> NiN:
    """Network in Network with AlexNet's kernels, as in the textbook."""
    return NiN(**kwargs)
