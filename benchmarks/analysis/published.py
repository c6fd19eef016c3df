"""Published accuracies beside measured ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.intervals import ALPHA, t_quantile

INSIDE, OUTSIDE, OTHER_RECIPE = "inside", "outside", "another recipe"


@dataclass(frozen=True)
class Figure:
    """A published test accuracy of one net.

    Args:
        protocol: the protocol here that is the published recipe; None: none is, and the figure is
            shown without a verdict.
        low, high: 5 and 95 % quantiles of the published trainings, where there are several.
        trainings: their number.
    """

    source: str
    dataset: str
    model: str
    accuracy: float
    protocol: str | None = None
    low: float | None = None
    high: float | None = None
    trainings: int = 1


# The book's executed notebooks, version 2.0.0; the quantiles are of all distinct outputs under the
# same settings in the history of d2l-ai/d2l-zh-pytorch-slides, April 2021 to August 2023.
_BOOK = [
    ("lenet", 0.779, 0.777, 0.825, 130),
    ("alexnet", 0.883, 0.871, 0.885, 82),
    ("vgg11_narrow", 0.920, 0.907, 0.924, 73),
    ("nin", 0.790, 0.100, 0.878, 74),
    ("googlenet", 0.886, 0.847, 0.898, 83),
    ("resnet18_d2l", 0.893, 0.868, 0.922, 80),
    ("densenet", 0.885, 0.769, 0.909, 75),
]
# He et al., 2016, "Deep residual learning for image recognition", table 6: errors in per cent.
_RESNET_ERRORS = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43}
# P. Lippe, "UvA Deep Learning Tutorials", tutorial 5: one training a net, seed 42, on 45,000 images
# of 32 px for 180 epochs; SGD for the ResNets, AdamW for the others.
TUTORIAL = "UvA tutorial 5"
_SMALL = {
    "googlenet_small": 0.8970,
    "resnet_small": 0.9106,
    "preact_resnet_small": 0.9107,
    "densenet_small": 0.9023,
}

FIGURES = [
    *(
        Figure("Dive into Deep Learning", "fashion_mnist", model, accuracy, "d2l", low, high, count)
        for model, accuracy, low, high, count in _BOOK
    ),
    *(
        Figure("He et al., 2016", "cifar10", f"resnet{depth}", 1 - error / 100)
        for depth, error in _RESNET_ERRORS.items()
    ),
    *(Figure(TUTORIAL, "cifar10", model, accuracy) for model, accuracy in _SMALL.items()),
]


@dataclass(frozen=True)
class Beside:
    """A measured accuracy beside a published one."""

    figure: Figure
    measured: float
    seeds: int
    verdict: str


def beside(accuracies: Accuracies, dataset: str, protocol: str) -> list[Beside]:
    """The nets of a table that have published figures; empty where none has."""
    found = [f for f in FIGURES if f.dataset == dataset and f.model in accuracies.names]
    return [
        Beside(
            figure,
            float(accuracies.trainings[figure.model].accuracies.mean()),
            accuracies.trainings[figure.model].seeds,
            _verdict(figure, accuracies, protocol),
        )
        for figure in found
    ]


def _verdict(figure: Figure, accuracies: Accuracies, protocol: str) -> str:
    """Whether the measured accuracy is what the published trainings make likely.

    Of several published trainings: whether it lies between their 5 and 95 % quantiles. Of a single
    one: whether that lies in the 95 % prediction interval of one more training, on these images.
    """
    if figure.protocol != protocol:
        return OTHER_RECIPE
    i = accuracies.names.index(figure.model)
    measured = float(accuracies.means[i])
    if figure.low is not None and figure.high is not None:
        return INSIDE if figure.low <= measured <= figure.high else OUTSIDE
    if math.isfinite(accuracies.degrees[i]):
        spread = float(accuracies.observed_spread[i]) * (1 + 1 / float(accuracies.seeds[i]))
        half = t_quantile(1 - ALPHA / 2, float(accuracies.degrees[i])) * math.sqrt(spread)
    else:
        half = accuracies.interval(figure.model).half
    return INSIDE if abs(measured - figure.accuracy) <= half else OUTSIDE
