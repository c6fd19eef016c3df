"""Times, cost and memory of convolutions by kernel size."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from benchmarks.analysis.growth import exponent, ratio_interval
from benchmarks.machine import process_settings
from benchmarks.measurement import calls
from benchmarks.measurement.calls import IN_WORDS, WORKS
from benchmarks.planning.protocol import Count, Positive
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict
from benchmarks.studies.kernel_size.cases import Case, peak_mb
from benchmarks.studies.kernel_size.drawing import PAIRS, draw, exponent_of, single
from lit_models.analysis.cost import cost
from lit_models.analysis.formulas import conv_parameters

# Parameters from 3 to 8 channels in the lecture notes, whose rows are off by one kernel size.
PRINTED = {3: 24, 5: 216, 7: 600, 9: 1176, 11: 1944}


@dataclass(frozen=True)
class Settings:
    """The convolutions, and how they are timed (see `benchmarks.measurement.calls`).

    Args:
        kernel_sizes: timed in each case.
        cases: channels and image size, such as `64 x 28`, with `channels_last` and `bf16` if so.
        stacks: of kernels, timed in the first case too.
        work: multiply-adds of a 1x1 convolution in one call, which decides the batch size.
    """

    kernel_sizes: tuple[Count, ...] = (1, 3, 5, 7, 9, 11)
    cases: tuple[str, ...] = (
        *("64 x 28", "8 x 28", "256 x 14", "64 x 56", "64 x 28 channels_last", "64 x 28 bf16"),
    )
    stacks: tuple[str, ...] = tuple(PAIRS)
    work: Count = 64**2 * 28**2 * 2
    rounds: Count = 15
    block_seconds: Positive = 0.005


_TIME = "median of the rounds (first to third quartile)"
_CELL = "{{{0}_ms:.2f}} ({{{0}_q1_ms:.2f}} to {{{0}_q3_ms:.2f}})"


class KernelSize(Study):
    quick = Settings()
    full = Settings(
        cases=(
            *("256 x 56", "8 x 224", "64 x 56", "512 x 14"),
            *("256 x 56 channels_last", "256 x 56 bf16", "256 x 56 channels_last bf16"),
        ),
        work=64**2 * 56**2 * 64,
        rounds=25,
        block_seconds=0.02,
    )
    part = "case"
    columns = (
        Column("case", "channels in and out x image size, float32 and contiguous unless said"),
        Column("kernels", "side of each kernel k in sequence", "px"),
        Column("batch_size", "images a call", format=","),
        Column("parameters", "weights", format=","),
        Column("macs", "multiply-adds for one image", format=",", title="MACs"),
        *(Column(f"{w}_ms", _TIME, "ms", _CELL.format(w), IN_WORDS[w]) for w in WORKS),
        Column("gflops", "two a multiply-add, in the forward pass", "GFLOP/s", ",.0f", "achieved"),
        Column("memory_mb", "peak of forward + backward above its input", "MiB", ",.0f", "memory"),
        *(Column(f"{w}_rounds", "time of each round", "ms", None) for w in WORKS),
    )
    note = (
        "Stride 1, padding k // 2, no bias; backward: the gradients of images and weights. The "
        "kernels of a case take turns in every round. Time grows more slowly than k squared where "
        "GFLOP/s rise with k: small kernels wait for memory, and a library may choose algorithms "
        "that multiply less for some (Winograd, FFT)."
    )

    def parts(self, settings: Settings) -> dict[str, Settings]:
        """A part for each case; the first has the stacks."""
        first = dict.fromkeys(settings.cases[:1], settings.stacks)
        return {
            text: replace(settings, cases=(text,), stacks=first.get(text, ()))
            for text in settings.cases
        }

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a kernel or stack of a case: cost, times and memory."""
        process_settings.set_up()
        (text,), device = settings.cases, torch.device(context.device)
        case = Case.parse(text)
        batch_size = max(1, round(settings.work / (case.channels * case.image_size) ** 2))
        images = case.images(batch_size, device)
        kernels = (*map(str, settings.kernel_sizes), *settings.stacks)
        layers = {each: case.layers(each, device) for each in kernels}
        works = {
            (work, each): partial(call, layer, images)
            for each, layer in layers.items()
            for work, call in WORKS.items()
        }
        seconds = calls.in_rounds(
            {f"{work} {each}": call for (work, each), call in works.items()},
            device,
            rounds=settings.rounds,
            block_seconds=settings.block_seconds,
        )
        rows: list[dict[str, Any]] = []
        for each in layers:
            meta = case.layers(each, torch.device("meta"))
            counted = cost(meta.float(), case.image_size, case.channels)
            row: dict[str, Any] = {"case": text, "kernels": each, "batch_size": batch_size}
            row |= {"kernel_size": 1 + sum(int(k) - 1 for k in each.split(" + "))}
            row |= {"parameters": counted.parameters, "macs": counted.macs}
            for work in WORKS:
                times: Any = 1000 * seconds[f"{work} {each}"]
                columns = (f"{work}_q1_ms", f"{work}_ms", f"{work}_q3_ms")
                row |= zip(columns, np.quantile(times, (0.25, 0.5, 0.75)), strict=True)
                row[f"{work}_rounds"] = times
            row["gflops"] = 2e-6 * counted.macs * batch_size / row["forward_ms"]
            row["memory_mb"] = peak_mb(works["forward_backward", each], device)
            rows.append(row)
        return pd.DataFrame(rows)

    def read(self, folder: Path) -> pd.DataFrame:
        """As `Study.read`; kernels are text, whether there are stacks or not."""
        rows = super().read(folder)
        return rows.assign(kernels=rows["kernels"].astype(str))

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Exponents of time beside 2, the printed table beside the right one, and the stacks."""
        first = rows[rows["case"] == rows["case"].iloc[0]]
        one, name = single(first), first["case"].iloc[0]
        growth = exponent(one["kernel_size"], one[["parameters", "macs"]].to_numpy())
        found = {k: conv_parameters(3, 8, k, bias=False) for k in PRINTED}
        table = ", ".join(f"{k}: {PRINTED[k]:,} / {found[k]:,}" for k in PRINTED)
        low, high = one.iloc[0], one.iloc[-1]
        return [
            *(
                Verdict(
                    f"Time grows with the square of the kernel size, {IN_WORDS[work]}, {case}",
                    "Exponent of time against k",
                    *exponent_of(own, work),
                    at_least=1.9,
                    at_most=2.1,
                )
                for case, own in rows.groupby("case", sort=False)
                for work in WORKS
                if case == name or work != "forward"
            ),
            Verdict(
                f"A multiply-add takes as long with k = {high['kernels']} as with {low['kernels']}",
                f"Time of one over time of the other, forward, {name}",
                *ratio_interval(*(row["forward_rounds"] / row["macs"] for row in (high, low))),
                at_least=0.9,
                at_most=1.1,
            ),
            Verdict.exact(
                "Larger kernels add few parameters and much computation",
                *("Exponent of parameters less that of multiply-adds", growth[0] - growth[1]),
                at_most=-0.1,
            ),
            Verdict.exact(
                "The table in print has the parameters from 3 to 8 channels",
                *("Rows that agree", sum(PRINTED[k] == found[k] for k in PRINTED)),
                at_least=len(PRINTED),
                note=f"Printed / counted, by k: {table}; the rows are off by one.",
            ),
            *(
                Verdict(
                    f"{stack} take less time than {kernel}, which sees as much, {IN_WORDS[work]}",
                    f"Ratio of times, {name}",
                    *ratio_interval(
                        *(first.set_index("kernels")[f"{work}_rounds"][[stack, kernel]])
                    ),
                    at_most=1,
                )
                for stack, kernel in PAIRS.items()
                if {stack, kernel} <= set(first["kernels"])
                for work in WORKS
            ),
        ]

    @look(**{"axes.titlelocation": "left"})
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Time and achieved FLOP/s by kernel size and case, and the stacks."""
        return draw(rows)
