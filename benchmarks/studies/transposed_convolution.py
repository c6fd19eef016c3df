"""What does a transposed convolution compute, and does it restore the size?

Its output size, its matrix, and the convolution over zeros between and around the pixels that it is
the same as (Dumoulin and Visin, 2016, chapter 4) are compared with PyTorch's layer, number by
number. A convolution is then undone in size, with output padding and without.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from benchmarks.planning.protocol import Count
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict
from lit_models.analysis.formulas import conv_size, extent, transposed_conv_size

TOLERANCE = 1e-4
SIZE, MATRIX, ZEROS = "output size", "transposed matrix", "zeros inserted"
CLAIMS = {
    SIZE: "The output has (n - 1)s - 2p + d(k - 1) + 1 rows, and those of the output padding",
    MATRIX: "It multiplies by the transposed matrix of the convolution",
    ZEROS: "It is a convolution of stride 1 with the flipped kernel, over s - 1 zeros between "
    "pixels and k - 1 - p around them",
}


@dataclass(frozen=True)
class Settings:
    """The grid: sizes of the input of a convolution, which the transposed one is to restore."""

    image_sizes: tuple[Count, ...] = tuple(range(3, 13))
    kernel_sizes: tuple[Count, ...] = (1, 2, 3, 5)
    strides: tuple[Count, ...] = (1, 2, 3)
    paddings: tuple[int, ...] = (0, 1, 2)
    dilations: tuple[Count, ...] = (1, 2)


def matrix(kernel: Tensor, size: int, **options: int) -> Tensor:
    """The matrix (outputs, size^2) of a convolution of flattened images of one channel."""
    basis = torch.eye(size**2).view(-1, 1, size, size)
    return F.conv2d(basis, kernel, **options).flatten(1).T


def with_zeros(maps: Tensor, stride: int, before: int, after: int) -> Tensor:
    """Maps (N, C, H, W) with stride - 1 zeros between pixels, and zeros around; negative: cut."""
    height, width = (stride * (side - 1) + 1 for side in maps.shape[2:])
    spread = maps.new_zeros(*maps.shape[:2], height, width)
    spread[:, :, ::stride, ::stride] = maps
    return F.pad(spread, (before, after, before, after))


class TransposedConvolution(Study):
    quick = Settings()
    full = Settings(image_sizes=tuple(range(3, 25)))
    columns = (
        Column("check", "what is compared with PyTorch's layer"),
        Column("cases", "numbers compared", format=","),
        Column("largest_difference", "of any number from PyTorch's", format=".1e"),
        Column("given", "n, k, s, p, d and output padding of each number", format=None),
        Column("ours", "numbers by the formula", format=None),
        Column("theirs", "numbers by PyTorch", format=None),
    )

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a check."""
        torch.manual_seed(0)
        found: dict[str, list[tuple]] = {check: [] for check in CLAIMS}
        for size, k, stride, padding, dilation in _grid(settings):
            options = {"stride": stride, "padding": padding, "dilation": dilation}
            kernel = torch.randn(1, 1, k, k)
            maps = torch.randn_like(F.conv2d(torch.randn(1, 1, size, size), kernel, **options))
            lost = size - transposed_conv_size(maps.shape[-1], k, **options)
            for extra in sorted({0, lost}):
                given = (size, k, *options.values(), extra)
                theirs = F.conv_transpose2d(maps, kernel, **options, output_padding=extra)
                height = transposed_conv_size(maps.shape[-1], k, **options, output_padding=extra)
                around = extent(k, dilation) - 1 - padding
                spread = with_zeros(maps, stride, around, around + extra)
                flipped = F.conv2d(spread, kernel.flip(2, 3), dilation=dilation)
                found[SIZE].append((given, torch.tensor([height]), theirs.shape[-1:]))
                found[ZEROS].append((given, flipped, theirs))
            weights = matrix(kernel, size, **options)
            found[MATRIX].append((given, weights.T @ maps.flatten(), theirs))
        rows = []
        for check, cases in found.items():
            pairs = [(np.ravel(ours), np.ravel(theirs)) for _, ours, theirs in cases]
            ours, theirs = (np.concatenate(side) for side in zip(*pairs, strict=True))
            given = np.repeat([case[0] for case in cases], [len(own) for own, _ in pairs], axis=0)
            row = {"check": check, "given": given, "ours": ours, "theirs": theirs}
            row |= {"cases": ours.size, "largest_difference": np.abs(ours - theirs).max()}
            rows.append(row)
        return pd.DataFrame(rows)

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The identities, and statements in print that do not hold beside what does."""
        checks = rows.set_index("check")
        size, *_, extra = checks["given"][SIZE].T
        restored = checks["theirs"][SIZE] == size
        columns = transposed_conv_size(4, 5, stride=3, padding=2)
        figure, part = "Largest difference", "Part of the grid whose size is restored"
        return [
            *(
                Verdict.exact(claim, figure, checks["largest_difference"][check], at_most=TOLERANCE)
                for check, claim in CLAIMS.items()
            ),
            Verdict.exact(
                "With the output padding (n + 2p - d(k - 1) - 1) mod s the size is restored",
                *(part, restored[extra == _lost(checks["given"][SIZE])].mean()),
                at_least=1,
            ),
            Verdict.exact(
                "With the convolution's own k, s and p the size is always restored",
                *(part, restored[extra == 0].mean()),
                at_least=1,
                note="With stride 2, kernel 3 and padding 1, 7 px and 8 px both become 4 px.",
            ),
            Verdict.exact(
                "The output has (k_h - 1)s_h + n_h - p_w columns (6 x 4 px, kernel (3, 5), stride "
                "(2, 3), padding of both sides (2, 4))",
                *("Columns by PyTorch", columns),
                at_least=(3 - 1) * 2 + 6 - 4,
                at_most=(3 - 1) * 2 + 6 - 4,
                note="True is (n_w - 1)s_w + k_w - p_w.",
            ),
        ]

    @look(**{"axes.titlelocation": "left", "axes.titlesize": 12})
    def plot(self, rows: pd.DataFrame) -> Figure:
        """The matrix, the zeros, what they give, the sizes, and both sides of each identity."""
        figure, panels = plt.subplots(2, 3, figsize=(14, 8.5))
        (transposed, spread, output), (sizes, *identities) = panels
        maps, kernel = torch.arange(1.0, 5).view(1, 1, 2, 2), torch.tensor([[[[1.0, 2], [3, 4]]]])
        shown = (
            (transposed, matrix(kernel, 3).T, "transposed matrix, kernel 1 to 4"),
            (spread, with_zeros(maps, 2, 1, 1)[0, 0], "stride 2: pixels 1 to 4, zeros inserted"),
            (
                output,
                F.conv_transpose2d(maps, kernel, stride=2)[0, 0],
                "the output with this kernel",
            ),
        )
        for axes, image, title in shown:
            axes.imshow(image, cmap="Blues", vmin=0, vmax=2 * image.max(), aspect="equal")
            for (row, column), value in np.ndenumerate(image.numpy()):
                axes.text(column, row, f"{value:g}", ha="center", va="center", size=10)
            axes.set(xticks=[], yticks=[], title=title)
            axes.grid(False)
        checks = rows.set_index("check")
        size, k, stride, padding, dilation, extra = checks["given"][SIZE].T
        ours, theirs = checks["ours"][SIZE], checks["theirs"][SIZE]
        own = (k == 3) & (stride == 2) & (padding == 1) & (dilation == 1)
        lost = _lost(checks["given"][SIZE])
        for chosen, label, marker in (
            (own & (extra == 0), "without output padding", "v"),
            (own & (extra == lost), "with", "o"),
        ):
            (line,) = sizes.step(size[chosen], ours[chosen], where="mid", alpha=0.5)
            color = line.get_color()
            sizes.plot(size[chosen], theirs[chosen], marker, color=color, label=label)
        sizes.set(xlabel="image size before the convolution (px)", ylabel="restored size (px)")
        sizes.set_title("kernel 3, stride 2: formula (lines), PyTorch")
        sizes.legend()
        for axes, check in zip(identities, (MATRIX, ZEROS), strict=True):
            axes.axline((0, 0), slope=1, color="0.7")
            axes.plot(checks["ours"][check], checks["theirs"][check], "o", ms=3)
            axes.set(xlabel=f"outputs, {check}", ylabel="outputs, PyTorch")
            axes.set_title(f"{check}: {len(checks['ours'][check]):,} numbers")
        return figure


def _grid(settings: Settings) -> Iterator[tuple[int, ...]]:
    """Size, kernel, stride, padding and dilation of convolutions that have a transposed one."""
    sides = (settings.kernel_sizes, settings.strides, settings.paddings, settings.dilations)
    for size, k, stride, padding, dilation in product(settings.image_sizes, *sides):
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        is_whole = extent(k, dilation) <= size + 2 * padding
        # PyTorch refuses an output of no pixel.
        outputs = conv_size(size, k, **options) if is_whole else 0
        if is_whole and (outputs - 1) * stride + extent(k, dilation) > 2 * padding:
            yield size, k, stride, padding, dilation


def _lost(given: np.ndarray) -> np.ndarray:
    """Pixels at the end that no window of the convolution reaches, for each line of the grid."""
    size, k, stride, padding, dilation, _ = given.T
    return (size + 2 * padding - dilation * (k - 1) - 1) % stride
