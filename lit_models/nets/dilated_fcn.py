"""Hybrid dilated convolution: P. Wang et al., "Understanding Convolution for Semantic
Segmentation", 2018, section 3.2.

Dilated convolutions enlarge the receptive field without reducing the resolution. Equal dilation
rates leave holes in it (gridding); rates that rise within a group, such as 1, 2, 5, do not.
Deviations: a plain backbone of 3x3 convolutions with batch normalisation instead of ResNet-101;
bilinear upsampling, the paper's baseline, instead of dense upsampling convolution (section 3.1).
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from lit_models.entries import SEGMENTATION
from lit_models.registry import register


def conv(in_channels: int, out_channels: int, dilation: int = 1) -> nn.Sequential:
    """A 3x3 convolution that preserves the size, with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class DilatedFCN(nn.Module):
    """Three halvings, groups of dilated convolutions at an eighth of the image, a 1x1 head.

    Args:
        rates: dilation of each convolution of a group; rates that leave holes are allowed (see
            `coverage`).
        groups: number of groups in sequence.
    """

    def __init__(
        self,
        rates: Sequence[int] = (1, 2, 5),
        groups: int = 2,
        in_channels: int = 1,
        num_classes: int = 11,
        image_size: int = 224,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for out_channels in (32, 64, 128):
            layers += [conv(channels, out_channels), conv(out_channels, out_channels)]
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # (N, 128, 28, 28) after the last
            channels = out_channels
        for rate in [*rates] * groups:
            layers.append(conv(channels, 256, rate))
            channels = 256
        self.features = nn.Sequential(*layers)  # (N, 256, 28, 28)
        self.classifier = nn.Conv2d(channels, num_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.classifier(self.features(x))
        return F.interpolate(scores, x.shape[-2:], mode="bilinear")


def largest_gap(rates: Sequence[int]) -> int:
    """M_2, the largest distance between two nonzero weights from the second layer on.

    Section 3.2: M_i = max(M_{i+1} - 2 r_i, M_{i+1} - 2 (M_{i+1} - r_i), r_i), with M_n = r_n. The
    paper requires M_2 <= K, the kernel size. This is a guide, not a proof: with K = 3, rates 2, 2,
    2 satisfy it and leave holes; 1, 3, 1 violate it and leave none. `coverage` counts exactly.

    Args:
        rates: dilation of each of at least two layers, from the first to the last.

    Raises:
        ValueError: fewer than two rates.
    """
    if len(rates) < 2:
        raise ValueError(f"the largest gap needs at least two rates, not {len(rates)}")
    *inner, gap = rates[1:]
    for rate in reversed(inner):
        gap = max(gap - 2 * rate, gap - 2 * (gap - rate), rate)
    return gap


def coverage(rates: Sequence[int], kernel_size: int = 3) -> tuple[int, int]:
    """Input positions that reach one output of a stack of 1-D dilated convolutions: count and span.

    The stack has holes if the count is less than the span.

    Args:
        rates: dilation of each layer.
        kernel_size: kernel size of each layer.
    """
    reached = {0}
    for rate in rates:
        reached = {position + rate * tap for position in reached for tap in range(kernel_size)}
    return len(reached), 1 + max(reached)


@register(min_size=8, canonical=True, task=SEGMENTATION)
def dilated_fcn(**kwargs) -> DilatedFCN:
    """Dilation rates 1, 2, 5 at an eighth of the image, without holes."""
    return DilatedFCN(**kwargs)
