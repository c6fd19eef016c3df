"""The picture of the study, and the figures that stand in it and in the verdicts."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.analysis.growth import exponent_interval
from benchmarks.measurement.calls import IN_WORDS, WORKS

PAIRS = {"3 + 3": "5", "3 + 3 + 3": "7"}  # stacks, and the kernel of the same receptive field


def draw(rows: pd.DataFrame) -> Figure:
    """Time, achieved FLOP/s and memory by kernel size and case, and the stacks."""
    figure, ((forward, backward), (rate, stacks)) = plt.subplots(2, 2, figsize=(14, 10))
    _draw_times(forward, rows, "forward")
    _draw_times(backward, rows, "forward_backward")
    for case, every in rows.groupby("case", sort=False):
        own = single(every)
        rate.plot(own["kernel_size"], own["gflops"], "o-", label=case)
    rate.set(ylabel="GFLOP/s", xscale="log", ylim=(0, None))
    rate.set_title("achieved, forward; level where time follows $k^2$")
    for axes in (forward, backward, rate):
        sizes = sorted(single(rows)["kernel_size"].unique())
        axes.set_xticks(sizes, map(str, sizes))
        axes.minorticks_off()
        axes.set_xlabel("kernel size k (log scale)")
    _draw_stacks(stacks, rows[rows["case"] == rows["case"].iloc[0]])
    return figure


def single(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of single kernels."""
    return rows[~rows["kernels"].str.contains("+", regex=False)]


def exponent_of(rows: pd.DataFrame, work: str) -> tuple[float, float, float]:
    """The exponent of time against k in one case, and its interval."""
    own = single(rows)
    return exponent_interval(own["kernel_size"], np.stack(own[f"{work}_rounds"]))


def _draw_times(axes: Axes, rows: pd.DataFrame, work: str) -> None:
    """Time against k in each case, beside the square of k."""
    for case, every in rows.groupby("case", sort=False):
        own, slope = single(every), exponent_of(every, work)[0]
        sizes, times = own["kernel_size"], own[f"{work}_ms"]
        (line,) = axes.plot(sizes, times, "o-", label=f"{case}: about $k^{{{slope:.2f}}}$")
        band = own[f"{work}_q1_ms"], own[f"{work}_q3_ms"]
        axes.fill_between(sizes, *band, color=line.get_color(), alpha=0.25, lw=0)
    start = single(rows)[f"{work}_ms"].min() / sizes.min() ** 2
    axes.plot(sizes, start * sizes**2, ls=":", color="0.3", label="$k^2$")
    axes.set(xscale="log", yscale="log", ylabel="ms; band: interquartile range")
    axes.set_title(f"time, {IN_WORDS[work]}")
    axes.legend(fontsize=10)


def _draw_stacks(axes: Axes, rows: pd.DataFrame) -> None:
    """What stacks of kernels take, in parts of the single kernel that sees as much."""
    own = rows.set_index("kernels")
    known = {stack: kernel for stack, kernel in PAIRS.items() if {stack, kernel} <= {*own.index}}
    figures = {"macs": "parameters, MACs"} | {f"{work}_ms": IN_WORDS[work] for work in WORKS}
    for number, (column, label) in enumerate(figures.items()):
        parts = [own[column][stack] / own[column][kernel] for stack, kernel in known.items()]
        bars = axes.bar(np.arange(len(known)) + 0.27 * (number - 1), parts, 0.25, label=label)
        axes.bar_label(bars, fmt="%.2f", fontsize=10)
    axes.axhline(1, color="0.3", ls=":")
    axes.set_xticks(range(len(known)), ["\nfor ".join(pair) for pair in known.items()])
    axes.set(ylabel="part of the single kernel's", title="stacks of small kernels, first case")
    if known:
        axes.set_ylim(top=1.25)
        axes.legend(loc="upper center", ncols=3, fontsize=10)
