"""How does compute time grow with the size of a kernel?

One convolution is timed with stride 1, padding k // 2 and no bias. So parameters and multiply-adds
both grow with the square of the kernel size k, in a fixed ratio; the time may grow differently.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks.analysis.growth import exponent_interval
from benchmarks.machine import process_settings
from benchmarks.measurement import calls
from benchmarks.planning.protocol import Count, Positive
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict
from lit_models.analysis.cost import cost


@dataclass(frozen=True)
class Settings:
    """One convolution, and how it is timed (see `benchmarks.measurement.calls`)."""

    kernel_sizes: tuple[Count, ...] = (1, 3, 5, 7, 9, 11)
    in_channels: Count = 64
    out_channels: Count = 64
    image_size: Count = 56
    batch_size: Count = 8
    rounds: Count = 25
    block_seconds: Positive = 0.02


def _forward(layer: nn.Module, images: Tensor) -> Tensor:
    return layer(images)


def _forward_backward(layer: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(layer(images).sum(), (images, layer.weight))


WORKS = {"forward": _forward, "forward_backward": _forward_backward}
IN_WORDS = {work: work.replace("_", " + ") for work in WORKS}
_TIME = "median of the rounds (first to third quartile)"
_CELL = "{{{0}_ms:.2f}} ({{{0}_q1_ms:.2f}} to {{{0}_q3_ms:.2f}})"


class KernelSize(Study):
    quick = Settings()
    full = Settings(batch_size=64)
    columns = (
        Column("kernel_size", "side of the kernel k", "px"),
        Column("parameters", "weights of the convolution", format=","),
        Column("macs", "multiply-adds for one image", format=",", title="MACs"),
        *(Column(f"{w}_ms", _TIME, "ms", _CELL.format(w), IN_WORDS[w]) for w in WORKS),
        *(Column(f"{w}_rounds", "time of each round", "ms", None) for w in WORKS),
    )
    note = (
        "Stride 1, padding k // 2, no bias; backward: the gradients of images and weights. "
        "The kernel sizes take turns in every round."
    )

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a kernel size: its cost, and its times forward and forward + backward."""
        process_settings.set_up()
        device, size = torch.device(context.device), settings.image_size
        channels, filters = settings.in_channels, settings.out_channels
        shape = (settings.batch_size, channels, size, size)
        images = torch.randn(shape, device=device, requires_grad=True)
        layers = {
            k: nn.Conv2d(channels, filters, k, padding=k // 2, bias=False).to(device)
            for k in settings.kernel_sizes
        }
        works = {
            f"{name} {k}": partial(work, layer, images)
            for k, layer in layers.items()
            for name, work in WORKS.items()
        }
        seconds = calls.in_rounds(
            works, device, rounds=settings.rounds, block_seconds=settings.block_seconds
        )
        rows: list[dict[str, Any]] = []
        for k, layer in layers.items():
            counted = cost(layer, size, channels)
            rows.append({"kernel_size": k, "parameters": counted.parameters, "macs": counted.macs})
            for name in WORKS:
                times: Any = 1000 * seconds[f"{name} {k}"]
                columns = (f"{name}_q1_ms", f"{name}_ms", f"{name}_q3_ms")
                rows[-1] |= zip(columns, np.quantile(times, (0.25, 0.5, 0.75)), strict=True)
                rows[-1][f"{name}_rounds"] = times
        return pd.DataFrame(rows)

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The exponent of time against k, beside the 2 of parameters and multiply-adds."""
        return [
            Verdict(
                f"Time grows with the square of the kernel size, {IN_WORDS[work]}",
                "Exponent of time against k",
                *exponent_interval(rows["kernel_size"], np.stack(rows[f"{work}_rounds"])),
                at_least=1.9,
                at_most=2.1,
            )
            for work in WORKS
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Compute time by kernel size, beside parameters and multiply-adds."""
        figure, (measured, theory) = plt.subplots(1, 2, figsize=(11, 4.5))
        sizes = rows["kernel_size"]
        for work, verdict in zip(WORKS, self.verdicts(rows), strict=True):
            label = f"{IN_WORDS[work]}: about $k^{{{verdict.effect:.2f}}}$"
            (line,) = measured.plot(sizes, rows[f"{work}_ms"], marker="o", label=label)
            low, high = rows[f"{work}_q1_ms"], rows[f"{work}_q3_ms"]
            measured.fill_between(sizes, low, high, color=line.get_color(), alpha=0.25, lw=0)
        measured.set_ylabel("time (ms); band: interquartile range")
        measured.set_title("measured: median", loc="left")
        theory.plot(sizes, rows["macs"] / 1e6, marker="o", color="C2")
        theory.set_ylabel("million multiply-adds an image")
        theory.set_title("theory: both grow with the square", loc="left")
        per_parameter = (rows["macs"] / rows["parameters"]).iloc[0] / 1e6
        parameters = theory.secondary_yaxis(
            "right", functions=(lambda macs: macs / per_parameter, lambda p: p * per_parameter)
        )
        parameters.set_ylabel("parameters")
        parameters.yaxis.set_major_formatter("{x:,.0f}")
        for axes in (measured, theory):
            axes.set_xlabel("kernel size k")
            axes.set_xticks(sizes)
            axes.set_ylim(bottom=0)
        measured.legend(loc="upper left")
        return figure
