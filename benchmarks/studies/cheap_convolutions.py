"""How much do cheap convolutions save, in parameters, in multiply-adds and in time?

Convolutions in groups, depthwise, separable and as a bottleneck, between the same maps. Parameters
and multiply-adds are computed by formula and counted; the time is that of PyTorch's layers.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from benchmarks.analysis.growth import ratio_interval
from benchmarks.machine import process_settings
from benchmarks.measurement import calls
from benchmarks.measurement.calls import IN_WORDS, WORKS
from benchmarks.planning.protocol import Count, Positive
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict
from lit_models.analysis.cost import cost
from lit_models.analysis.formulas import bottleneck_parameters, conv_parameters
from lit_models.cheap_convolutions import KINDS, Kind, make_conv, weights

PROPORTIONAL = 1.1  # a time is called in proportion up to so much more


@dataclass(frozen=True)
class Settings:
    """The maps of each convolution, and how it is timed (see `benchmarks.measurement.calls`)."""

    kinds: tuple[Kind, ...] = KINDS
    channels: Count = 128
    image_size: Count = 28
    kernel_size: Count = 3
    batch_size: Count = 8
    rounds: Count = 15
    block_seconds: Positive = 0.02


class CheapConvolutions(Study):
    quick = Settings()
    full = Settings(channels=256, batch_size=64)
    columns = (
        Column("kind", "of the convolution; a bottleneck has a quarter of the channels inside"),
        Column("formula", "weights by formula", format=","),
        Column("parameters", "weights counted", format=","),
        Column("macs", "multiply-adds counted for one image", format=",", title="MACs"),
        Column("macs_part", "in parts of the standard convolution's", format=".3f", title="part"),
        *(
            Column(
                name, "median of the rounds", "ms", f"{{{name}:.2f}} ({{{work}_part:.2f}})", work
            )
            for name, work in ((f"{work}_ms", work) for work in WORKS)
        ),
        *(Column(f"{work}_rounds", "time of each round", "ms", None) for work in WORKS),
    )
    note = (
        "In brackets: in parts of the standard convolution's time. No biases; backward: the "
        "gradients of images and weights. The kinds take turns in every round."
    )

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a kind."""
        process_settings.set_up()
        device, width = torch.device(context.device), settings.channels
        size = settings.image_size
        images = torch.randn(settings.batch_size, width, size, size, device=device)
        images.requires_grad_()
        shape = (width, width, settings.kernel_size)
        layers = {kind: make_conv(kind, *shape, bias=False) for kind in settings.kinds}
        works = {
            f"{name} {kind}": partial(work, layer.to(device), images)
            for kind, layer in layers.items()
            for name, work in WORKS.items()
        }
        seconds = calls.in_rounds(
            works, device, rounds=settings.rounds, block_seconds=settings.block_seconds
        )
        rows: list[dict[str, Any]] = []
        for kind, layer in layers.items():
            counted = cost(layer, size, width)
            row: dict[str, Any] = {"kind": kind, "formula": weights(kind, *shape)}
            row |= {"parameters": counted.parameters, "macs": counted.macs}
            for work in WORKS:
                row[f"{work}_rounds"] = 1000 * seconds[f"{work} {kind}"]
                row[f"{work}_ms"] = np.median(row[f"{work}_rounds"])
            rows.append(row)
        table = pd.DataFrame(rows)
        for name, column in {"macs": "macs", **{work: f"{work}_ms" for work in WORKS}}.items():
            table[f"{name}_part"] = table[column] / table[column].iloc[0]
        return table

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Formula, time against multiply-adds, and what the documents print."""
        known = rows.set_index("kind")
        off = (rows["formula"] - rows["parameters"]).abs().max()
        positions = rows["image_size"] ** 2
        wrong = (rows["formula"] * positions - rows["macs"]).abs().max()
        standard, *cheap = rows["kind"]
        separable = (conv_parameters(4, 8, 3, groups=4, bias=False) + 8 * 8) / (9 * 4 * 8)
        bottleneck = bottleneck_parameters(256, 32, 256, 3)
        times = {work: known[f"{work}_rounds"] for work in WORKS}
        return [
            Verdict.exact(
                "Formulas give the parameters and multiply-adds of every kind",
                *("Largest difference", int(max(off, wrong))),
                at_most=0,
            ),
            *(
                Verdict(
                    f"{kind} saves as much time as multiply-adds, {IN_WORDS[work]}",
                    "Time in parts of the standard convolution's",
                    *ratio_interval(times[work][kind], times[work][standard]),
                    at_most=PROPORTIONAL * known["macs_part"][kind],
                    note=f"Multiply-adds: {known['macs_part'][kind]:.3f}.",
                )
                for work in WORKS
                for kind in cheap
            ),
            Verdict.exact(
                "The part of a separable convolution is 1 / C + D / (k + k C), from C = 4 to D = 8",
                *("Part of the parameters", separable),
                at_least=1 / 4 + 8 / (3 + 3 * 4),
                at_most=1 / 4 + 8 / (3 + 3 * 4),
                note="True is 1 / C + D / (k k C).",
            ),
            Verdict.exact(
                "The most groups from 4 to 8 channels are max(4, 8)",
                *("Most groups", math.gcd(4, 8)),
                at_least=8,
                note="True is the greatest common divisor.",
            ),
            Verdict.exact(
                "A bottleneck of 32 channels between 256 has 25,920 parameters, not 590,080",
                *("Parameters", bottleneck),
                at_least=25_920,
                at_most=25_920,
                note=f"The standard convolution has {conv_parameters(256, 256, 3):,}.",
            ),
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Multiply-adds and times of each kind, in parts of the standard convolution's."""
        figure, axes = plt.subplots(figsize=(11, 5))
        bars = {"macs": "parameters and multiply-adds", **IN_WORDS}
        for number, (name, label) in enumerate(bars.items()):
            label = label if name == "macs" else f"time, {label}"
            places = np.arange(len(rows)) + 0.28 * (number - 1)
            drawn = axes.bar(places, rows[f"{name}_part"], 0.26, label=label)
            axes.bar_label(drawn, fmt="%.2f", fontsize=9)
        axes.axhline(1, color="0.3", ls=":")
        axes.set_xticks(range(len(rows)), rows["kind"])
        axes.set(yscale="log", ylabel="part of the standard convolution's (log scale)")
        axes.set_title(
            "{:,} channels in and out, {} px, kernel {}".format(
                *rows.iloc[0][["channels", "image_size", "kernel_size"]]
            ),
            loc="left",
        )
        axes.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, -0.08))
        return figure
