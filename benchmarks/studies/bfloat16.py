"""Which layers does bfloat16 make faster?

The forward and backward pass of single layers is timed under autocast in bfloat16, and kept in fp32
between layers in bfloat16, with the conversions that this takes. Weights are fp32 in both, as in
training. `benchmarks.training.precision` keeps in fp32 what is faster there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks.analysis.intervals import over_processes
from benchmarks.machine import process_settings
from benchmarks.measurement import calls
from benchmarks.planning.protocol import Count, Positive
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict
from benchmarks.training import precision


@dataclass(frozen=True)
class Settings:
    """The images that each layer gets, and how it is timed (see `benchmarks.measurement.calls`).

    `channels` is a multiple of 32.
    """

    channels: Count = 64
    image_size: Count = 18
    batch_size: Count = 32
    rounds: Count = 15
    block_seconds: Positive = 0.02


IN_BFLOAT16, KEPT, FOLLOWS = "in bfloat16", "kept in fp32", "as its input"
NEGLIGIBLE = 0.1  # difference in time


def layers(channels: int) -> dict[str, nn.Module]:
    """Layers by name; they map (N, channels, H, W) to images."""
    conv = partial(nn.Conv2d, channels, channels, bias=False)
    grouped = {
        f"3x3 convolution, groups of {each}": conv(3, padding=1, groups=channels // each)
        for each in (32, 16, 8, 4, 2)
    }
    return {
        "1x1 convolution": conv(1),
        "3x3 convolution": conv(3, padding=1),
        "5x5 convolution": conv(5, padding=2),
        "3x3 convolution, dilated": conv(3, padding=2, dilation=2),
        "2x2 transposed convolution": nn.ConvTranspose2d(channels, channels, 2, 2),
        **grouped,
        "3x3 convolution, depthwise": conv(3, padding=1, groups=channels),
        "5x5 convolution, depthwise": conv(5, padding=2, groups=channels),
        "batch normalisation": nn.BatchNorm2d(channels),
        "ReLU": nn.ReLU(),
        "SiLU": nn.SiLU(),
        "3x3 max pooling": nn.MaxPool2d(3, 2, 1),
        "upsampling": nn.Upsample(scale_factor=2, mode="bilinear"),
    }


def _computed(layer: nn.Module) -> str:
    """Where a training on a CPU computes the layer."""
    if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return FOLLOWS
    return KEPT if precision.stays_in_fp32(layer) else IN_BFLOAT16


def _in_bfloat16(layer: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    with torch.autocast(images.device.type, torch.bfloat16, cache_enabled=False):
        output = layer(images)
    return _gradients(layer, images, output)


def _in_fp32(layer: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    return _gradients(layer, images, layer(images.float()).bfloat16())


def _gradients(layer: nn.Module, images: Tensor, output: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(output, (images, *layer.parameters()), torch.ones_like(output))


WORKS: dict[str, Callable] = {"bf16": _in_bfloat16, "fp32": _in_fp32}
_TIME = "median time of forward and backward pass"


class BFloat16(Study):
    quick = Settings()
    columns = (
        Column("layer", "what is timed"),
        Column("computed", "where trainings in bf16-mixed on CPUs compute it"),
        Column("bf16_ms", f"{_TIME} in bfloat16", "ms", ".3f", "bf16"),
        Column("fp32_ms", f"{_TIME} kept in fp32, conversions included", "ms", ".3f", "fp32"),
        Column(
            "ratio",
            "the latter over the former, median of the rounds (95 % interval)",
            format="{ratio:.2f} ({ratio_low:.2f} to {ratio_high:.2f})",
            title="fp32 / bf16",
        ),
        *(Column(f"{work}_rounds", "time of each round", "ms", None) for work in WORKS),
    )
    note = "All layers and both precisions take turns in every round."

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a layer."""
        process_settings.set_up()
        device, size = torch.device(context.device), settings.image_size
        shape = (settings.batch_size, settings.channels, size, size)
        images = torch.randn(shape, device=device, dtype=torch.bfloat16)
        images = images.to(memory_format=torch.channels_last).requires_grad_()
        timed = layers(settings.channels)
        works = {
            f"{name} {work}": partial(
                call, layer.to(device, memory_format=torch.channels_last), images
            )
            for name, layer in timed.items()
            for work, call in WORKS.items()
        }
        seconds = calls.in_rounds(
            works, device, rounds=settings.rounds, block_seconds=settings.block_seconds
        )
        rows = []
        for name, layer in timed.items():
            bf16: Any = 1000 * seconds[f"{name} bf16"]
            fp32: Any = 1000 * seconds[f"{name} fp32"]
            ratio = over_processes([fp32 / bf16])
            rows.append(
                {
                    "layer": name,
                    "computed": _computed(layer),
                    "bf16_ms": np.median(bf16),
                    "fp32_ms": np.median(fp32),
                    "ratio": ratio.estimate,
                    "ratio_low": ratio.low,
                    "ratio_high": ratio.high,
                    "bf16_rounds": bf16,
                    "fp32_rounds": fp32,
                }
            )
        return pd.DataFrame(rows)

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The layer that gains least of those in bfloat16, and most of those kept in fp32."""
        by_ratio = rows.sort_values("ratio").set_index("computed")
        least, most = by_ratio.loc[[IN_BFLOAT16]].iloc[0], by_ratio.loc[[KEPT]].iloc[-1]
        return [
            Verdict(
                "No convolution in bfloat16 would be faster in fp32",
                *_effect(least),
                at_least=1 - NEGLIGIBLE,
            ),
            Verdict(
                "No convolution kept in fp32 would be faster in bfloat16",
                *_effect(most),
                at_most=1 + NEGLIGIBLE,
            ),
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """How much faster bfloat16 makes each layer; bars: 95 % intervals."""
        figure, axes = plt.subplots(figsize=(9, 1.5 + 0.4 * len(rows)))
        axes.axvline(1, color="0.3", lw=1)
        for number, (where, own) in enumerate(rows.groupby("computed", sort=False)):
            spread = [own["ratio"] - own["ratio_low"], own["ratio_high"] - own["ratio"]]
            places = len(rows) - 1 - own.index
            axes.errorbar(
                own["ratio"], places, xerr=spread, fmt="o", color=f"C{number}", label=where
            )
        axes.set_yticks(range(len(rows)), rows["layer"][::-1])
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.set_xlabel("time kept in fp32 over time in bfloat16 (log scale; bar: 95 % interval)")
        axes.set_title("Right of 1, bfloat16 is faster", loc="left")
        figure.legend(loc="outside lower center", ncols=3)
        return figure


def _effect(row: pd.Series) -> tuple[str, float, float, float]:
    figure = f"Time kept in fp32 over that in bfloat16, {row['layer']}"
    return figure, row["ratio"], row["ratio_low"], row["ratio_high"]
