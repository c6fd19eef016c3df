"""AlexNet's plan at 32 px with a variable number of first-layer filters, from a study of these
filters on CIFAR-10. A net of teaching material, without a paper.

Deviation from that material: dropout precedes the first two linear layers; before the softmax it
would set logits to zero. The net returns logits.
"""

from torch import Tensor, nn

from lit_models.entries import Published
from lit_models.layers import output_size
from lit_models.registry import register


class ConvNet(nn.Module):
    """Four 3x3 convolutions, the first two with overlapping pooling, and three linear layers.

    Args:
        first_layer_filters: output channels of the first convolution.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        image_size: int = 32,
        first_layer_filters: int = 64,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, first_layer_filters, kernel_size=3, padding=2),  # 34 px
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 16 px
            nn.Conv2d(first_layer_filters, 384, kernel_size=3, padding=2),  # 18 px
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 8 px
            nn.Conv2d(384, 384, kernel_size=3),  # 6 px
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3),  # (N, 256, 4, 4)
            nn.ReLU(),
        )
        side = image_size
        for _ in range(2):
            side = output_size(output_size(side, 3, padding=2), kernel_size=3, stride=2)
        side -= 4
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(256 * side * side, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@register(
    min_size=17,
    published=Published("lecture notes", 36_039_434, 169_188_096, num_classes=10, image_size=32),
)
def convnet(**kwargs) -> ConvNet:
    """Four convolutions and three linear layers; 64 filters in the first by default."""
    return ConvNet(**kwargs)
