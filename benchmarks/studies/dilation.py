"""Which pixels does a stack of dilated convolutions see, and does the HDC condition tell?

The condition (Wang et al., 2018, section 3.2) asks for a largest gap M_2 of at most the kernel
size. Whether a stack leaves holes is counted for all rates up to a largest one, and the pixels are
those of a gradient through PyTorch's layers.
"""

from dataclasses import dataclass
from itertools import product
from math import gcd

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from torch import nn

from benchmarks.planning.protocol import Count
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict
from lit_models.nets.dilated_fcn import coverage, largest_gap


@dataclass(frozen=True)
class Settings:
    """The stacks that are drawn, and the stacks that are counted.

    Args:
        drawn: rates of each, such as `1 2 5`.
        layers: of each counted stack.
        largest_rate: of the counted stacks, which are all of so many layers.
    """

    drawn: tuple[str, ...] = ("1 2 5", "1 2 9", "2 2 2", "2 2 3", "1 3 1", "1 2 3 1 2 3")
    layers: Count = 3
    largest_rate: Count = 9
    kernel_size: Count = 3


def paths(rates: tuple[int, ...], kernel_size: int) -> np.ndarray:
    """The ways from each pixel to one output of a stack, (span, span), by a gradient."""
    span = sum(rate * (kernel_size - 1) for rate in rates) + 1
    image = torch.zeros(1, 1, span, span, dtype=torch.double, requires_grad=True)
    maps = image
    for rate in rates:
        layer = nn.Conv2d(1, 1, kernel_size, dilation=rate, bias=False, dtype=torch.double)
        nn.init.ones_(layer.weight)
        maps = layer(maps)
    (gradient,) = torch.autograd.grad(maps.sum(), image)
    return gradient[0, 0].numpy()


class Dilation(Study):
    quick = Settings()
    full = Settings(layers=4)
    columns = (
        Column("rates", "dilation of each layer, the first first"),
        Column("gap", "M_2, the largest distance of two nonzero weights", "px", ",", "M_2"),
        Column("span", "side of the receptive field", "px", ","),
        Column("seen", "of the positions along a side", "px", ","),
        Column("holes", "positions that no path reaches", "px", ","),
        Column("divisor", "greatest common divisor of the rates", format=","),
        Column("paths", "ways from each pixel to the output", format=None),
    )
    note = "The table shows the stacks that are drawn; all have square kernels."

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a stack; those that are drawn first, with their paths."""
        drawn = [tuple(map(int, text.split())) for text in settings.drawn]
        rates = range(1, settings.largest_rate + 1)
        stacks = dict.fromkeys([*drawn, *product(rates, repeat=settings.layers)])
        rows = []
        for stack in stacks:
            seen, span = coverage(stack, settings.kernel_size)
            row = {"rates": " ".join(map(str, stack)), "gap": largest_gap(stack)}
            row |= {"span": span, "seen": seen, "holes": span - seen}
            row |= {"first": stack[0], "divisor": gcd(*stack), "layers": len(stack)}
            is_drawn = stack in drawn
            rows.append(row | {"is_drawn": is_drawn, "paths": _paths(stack, settings, is_drawn)})
        return pd.DataFrame(rows)

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The stacks that are drawn."""
        return super().table(rows[rows["is_drawn"]])

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The condition against the count, over all stacks of the settings."""
        drawn, counted = rows[rows["is_drawn"]], rows[rows["layers"] == rows["layers"].iloc[-1]]
        kernel = rows["kernel_size"].iloc[0]
        fits, whole = counted["gap"] <= kernel, counted["holes"] == 0
        conditions = {
            "Rates with M_2 at most the kernel size leave no holes": fits,
            "So they do if their greatest common divisor is 1": fits & (counted["divisor"] == 1),
            "So they do if the first rate is 1": fits & (counted["first"] == 1),
        }
        seen = [int((each.sum(0) > 0).sum()) for each in drawn["paths"]]
        return [
            Verdict.exact(
                "The pixels counted are those that PyTorch's layers see",
                *("Largest difference along a side (px)", int(np.abs(seen - drawn["seen"]).max())),
                at_most=0,
            ),
            *(
                Verdict.exact(
                    claim,
                    f"Part of the {own.sum():,} such stacks of {counted['layers'].iloc[0]} layers",
                    *([whole[own].mean()]),
                    at_least=1,
                    note=_example(counted[own & ~whole]),
                )
                for claim, own in conditions.items()
            ),
            Verdict.exact(
                "Rates with a larger M_2 leave holes",
                f"Part of the {(~fits).sum():,} such stacks",
                (~whole[~fits]).mean(),
                at_least=1,
                note=_example(counted[~fits & whole]),
            ),
        ]

    @look(**{"axes.grid": False, "axes.titlesize": 12, "axes.titlelocation": "left"})
    def plot(self, rows: pd.DataFrame) -> Figure:
        """A panel a stack: how many paths lead from each pixel to the output; white: none."""
        drawn = rows[rows["is_drawn"]]
        columns = min(3, len(drawn))
        lines = -(-len(drawn) // columns)
        size = (4 * columns + 1, 4.1 * lines + 0.5)
        figure, panels = plt.subplots(lines, columns, figsize=size, squeeze=False)
        shades = plt.get_cmap("viridis_r").with_extremes(bad="white")
        for axes, row in zip(panels.flat, drawn.itertuples(), strict=False):
            ways = row.paths / row.paths.max()
            image = np.ma.masked_equal(ways, 0)
            picture = axes.imshow(image, norm=PowerNorm(0.5, 0, 1), cmap=shades)
            sign = "≤" if row.gap <= row.kernel_size else ">"
            found = f"{row.seen**2:,} of {row.span**2:,} pixels"
            rule = f"$M_2$ = {row.gap} {sign} {row.kernel_size}"
            axes.set_title(f"rates {row.rates.replace(' ', ', ')}: {rule}\n{found}")
            axes.set(xticks=[], yticks=[])
        for axes in panels.flat[len(drawn) :]:
            axes.set_axis_off()
        label = "paths to the output, the most = 1; white: none"
        figure.colorbar(picture, ax=panels, label=label, shrink=0.7)
        return figure


def _paths(stack: tuple[int, ...], settings: Settings, is_drawn: bool) -> np.ndarray:
    return paths(stack, settings.kernel_size) if is_drawn else np.empty((0, 0))


def _example(rows: pd.DataFrame) -> str:
    """The stack of the shortest span that contradicts a claim."""
    if rows.empty:
        return ""
    first = rows.loc[rows["span"].idxmin()]
    return f"Rates {first['rates'].replace(' ', ', ')}: {first['seen']} of {first['span']} px."
