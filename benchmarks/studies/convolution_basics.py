"""What does a convolution compute, and how large is its output?

The formula of the output size, the sum written out in loops, and the two ways in which a
convolution and a fully connected layer are the same are compared with PyTorch's layers, number by
number. An edge kernel is learned from one image by gradient descent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.analysis.intervals import over_seeds
from benchmarks.planning.protocol import Count, Positive
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict
from lit_models.analysis.formulas import conv_parameters, conv_size, extent

EDGE = torch.tensor([[1.0, -1.0]])  # responds where a pixel differs from its right neighbour
TOLERANCE = 1e-4
SIZE, LOOPS, LEARNED = "output size", "sum in loops", "learned edge kernel"
POINTWISE, WHOLE = "1x1 convolution as fully connected", "fully connected as convolution"
CLAIMS = {
    SIZE: "The output has floor((n + 2p - d(k - 1) - 1) / s) + 1 rows",
    LOOPS: "A convolutional layer computes a cross-correlation",
    POINTWISE: "A 1x1 convolution is a fully connected layer at each pixel",
    WHOLE: "A fully connected layer is a convolution with a kernel as large as the map",
}


@dataclass(frozen=True)
class Settings:
    """The grid of output sizes, and the gradient descent that learns the edge kernel."""

    image_sizes: tuple[Count, ...] = tuple(range(1, 17))
    kernel_sizes: tuple[Count, ...] = (1, 2, 3, 5)
    strides: tuple[Count, ...] = (1, 2, 3)
    paddings: tuple[int, ...] = (0, 1, 2)
    dilations: tuple[Count, ...] = (1, 2)
    steps: Count = 10
    learning_rate: Positive = 0.03
    seeds: Count = 20


def cross_correlate(image: Tensor, kernel: Tensor) -> Tensor:
    """Each output is the sum of the products of a kernel and the window that it lies on."""
    (height, width), (rows, columns) = kernel.shape, image.shape
    output = torch.zeros(rows - height + 1, columns - width + 1)
    for i, j in product(range(output.shape[0]), range(output.shape[1])):
        output[i, j] = (image[i : i + height, j : j + width] * kernel).sum()
    return output


def learn(image: Tensor, target: Tensor, steps: int, learning_rate: float) -> Tensor:
    """The kernel (1, 2) before and after each step on the summed squared error, (steps + 1, 2)."""
    layer = nn.Conv2d(1, 1, (1, 2), bias=False)
    course = [layer.weight.detach().flatten().clone()]
    for _ in range(steps):
        error = (layer(image[None, None]) - target).square().sum()
        (gradient,) = torch.autograd.grad(error, layer.weight)
        layer.weight.data -= learning_rate * gradient
        course.append(layer.weight.detach().flatten().clone())
    return torch.stack(course)


class ConvolutionBasics(Study):
    quick = Settings()
    full = Settings(image_sizes=tuple(range(1, 65)), seeds=100)
    columns = (
        Column("check", "what is compared with PyTorch's layer"),
        Column("cases", "numbers compared", format=","),
        Column("largest_difference", "of any number from PyTorch's", format=".1e"),
        Column("given", "parameters, image or maps", format=None),
        Column("ours", "numbers by the formula", format=None),
        Column("theirs", "numbers by PyTorch", format=None),
    )

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a check."""
        torch.manual_seed(0)
        grid = torch.tensor([*_grid(settings)])
        stripe = torch.ones(6, 8)
        stripe[:, 2:6] = 0
        edges = F.conv2d(stripe[None, None], EDGE[None, None])[0, 0]
        descent = (stripe, edges, settings.steps, settings.learning_rate)
        courses = torch.stack([learn(*descent) for _ in range(settings.seeds)])
        images = torch.randn(2, 3, 5, 6)
        pointwise, whole = nn.Conv2d(3, 4, 1), nn.Linear(3 * 5 * 6, 4)
        by_pixel = F.linear(images.movedim(1, -1), pointwise.weight.flatten(1), pointwise.bias)
        over_map = F.conv2d(images, whole.weight.view(4, 3, 5, 6), whole.bias)
        checks = {
            SIZE: (grid[:, :5], grid[:, 5], grid[:, 6]),
            LOOPS: (stripe, cross_correlate(stripe, EDGE), edges),
            LEARNED: (courses, courses[:, -1], EDGE.expand(len(courses), 2)),
            POINTWISE: (images, by_pixel.movedim(-1, 1), pointwise(images)),
            WHOLE: (images, over_map.flatten(1), whole(images.flatten(1))),
        }
        rows = []
        for check, tensors in checks.items():
            given, ours, theirs = (tensor.detach().numpy() for tensor in tensors)
            row = {"check": check, "given": given, "ours": ours, "theirs": theirs}
            row |= {"cases": ours.size, "largest_difference": np.abs(ours - theirs).max()}
            rows.append(row)
        return pd.DataFrame(rows)

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The identities, and statements in print that do not hold beside what does."""
        checks = rows.set_index("check")
        size, k, stride, padding, dilation = checks["given"][SIZE].T
        exact = (size + 2 * padding - dilation * (k - 1) - 1) % stride == 0
        error = over_seeds(np.abs(checks["ours"][LEARNED] - EDGE.numpy()).max(axis=1))
        more = conv_parameters(512, 4096, 1) - (512 + 1) * 4096
        in_print = (
            ("(n + 2p - k) / s needs no rounding", "Part of the grid", exact.mean(), 1),
            (
                "7 px, kernel 3, padding 1, stride 2: 3 px (true if the 7 px include the padding)",
                *("Output (px)", conv_size(7, 3, padding=1, stride=2), 3),
            ),
            (
                "The 2 of padding (1, 2) is that of both sides together: kernel 3 keeps 8 columns",
                *("Columns", conv_size(8, 3, padding=2), 8),
            ),
        )
        figure, term = "Largest difference", "Largest error of a weight, mean over seeds"
        return [
            *(
                Verdict.exact(claim, figure, checks["largest_difference"][check], at_most=TOLERANCE)
                for check, claim in CLAIMS.items()
            ),
            Verdict(
                "So few steps of gradient descent find the edge kernel within 0.1",
                *(term, error.estimate, error.low, error.high),
                at_most=0.1,
            ),
            Verdict.exact(
                "A 1x1 convolution takes more parameters than the fully connected layer replaced",
                *("Parameters more, from 512 to 4,096 channels", more),
                at_least=1,
            ),
            *(
                Verdict.exact(claim, figure, found, at_least=printed, at_most=printed)
                for claim, figure, found, printed in in_print
            ),
        ]

    @look(**{"axes.titlelocation": "left", "axes.titlesize": 12})
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Output sizes, an image and its edges, the learned kernel, and both sides of each."""
        given, ours, theirs = (
            rows.set_index("check")[name] for name in ("given", "ours", "theirs")
        )
        figure, panels = plt.subplots(2, 3, figsize=(14, 8))
        (sizes, image, edges), (learned, *identities) = panels
        size, k, stride, padding, dilation = given[SIZE].T
        for s in np.unique(stride):
            own = (k == 3) & (stride == s) & (padding == 1) & (dilation == 1)
            (line,) = sizes.step(size[own], ours[SIZE][own], where="mid", alpha=0.5)
            options = {"color": line.get_color(), "label": f"stride {s}"}
            sizes.plot(size[own], theirs[SIZE][own], "o", **options)
        sizes.set(xlabel="image size (px)", ylabel="output size (px)")
        sizes.set_title("kernel 3, padding 1: formula (lines), PyTorch")
        sizes.legend()
        for axes, shown, title in (
            (image, given[LOOPS], "an image"),
            (edges, ours[LOOPS], "its edges: the sums with the kernel (1, -1)"),
        ):
            picture = axes.imshow(shown, cmap="RdBu", vmin=-1, vmax=1)
            axes.set_title(title)
            axes.grid(False)
        figure.colorbar(picture, ax=edges, shrink=0.7)
        for number, weight in enumerate(EDGE.flatten().tolist()):
            color = f"C{number}"
            learned.plot(given[LEARNED][..., number].T, color=color, lw=1, alpha=0.6)
            learned.axhline(weight, color=color, ls="--")
        learned.set(xlabel="step of gradient descent", ylabel="weights of the kernel")
        learned.set_title("the edge kernel learned, a line a seed")
        for axes, check in zip(identities, (POINTWISE, WHOLE), strict=True):
            axes.axline((0, 0), slope=1, color="0.7")
            axes.plot(ours[check].ravel(), theirs[check].ravel(), "o", ms=4)
            layer, other = check.split(" as ")
            axes.set(xlabel=f"outputs, {other}", ylabel=f"outputs, {layer}", title=check)
        return figure


def _grid(settings: Settings) -> Iterator[tuple[int, ...]]:
    """Size, kernel, stride, padding, dilation, and the output by formula and by PyTorch."""
    sides = (settings.strides, settings.paddings, settings.dilations)
    for size, k, stride, padding, dilation in product(
        settings.image_sizes, settings.kernel_sizes, *sides
    ):
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        if extent(k, dilation) <= size + 2 * padding:
            layer = nn.Conv2d(1, 1, k, **options, device="meta")
            output = layer(torch.empty(1, 1, size, size, device="meta"))
            yield size, k, *options.values(), conv_size(size, k, **options), output.shape[-1]
