"""Kernel size against compute time: one convolution, timed forward and forward + backward.

The convolutions have stride 1, padding k // 2 and no bias. So parameters and multiply-adds both
grow with the square of the kernel size k, in a fixed ratio; the time may grow differently.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import lit_models
from benchmarks.machine import accelerator, environment, process_settings
from benchmarks.measurement.loop_timings import in_turns
from benchmarks.planning.fingerprint import package_digest
from benchmarks.report.style import look
from benchmarks.studies import base

KERNEL_SIZES = (1, 3, 5, 7, 9, 11)
MEASURING = ("machine.accelerator", "machine.process_settings", "measurement.loop_timings")
SETTINGS = {"in_channels": 64, "out_channels": 64, "image_size": 56, "batch_size": 8}
# Reading the clock takes time, so work is repeated for BLOCK_SECONDS between two readings.
ROUNDS, BLOCK_SECONDS = 25, 0.02


def run(folder: Path, device: str, force: bool = False, data_dir: Path | None = None) -> str:
    """Measure unless that is done, then rebuild. `data_dir` is not used: images are random."""
    code = [package_digest(f"benchmarks.{name}") for name in MEASURING]
    inputs = [SETTINGS, base.code_digest(__file__), code, device]
    base.measure_once(folder, inputs, lambda: measure(torch.device(device)), force=force)
    return rebuild(folder)


def rebuild(folder: Path) -> str:
    """Write `table.md` and `plots/` from `results.csv`; returns the table."""
    return base.rebuild(folder, plot, table)


def measure(device: torch.device) -> pd.DataFrame:
    """One row a kernel size: its cost, and median and quartiles of its times in ms."""
    process_settings.set_up()
    channels, size = SETTINGS["in_channels"], SETTINGS["image_size"]
    shape, filters = (SETTINGS["batch_size"], channels, size, size), SETTINGS["out_channels"]
    images = torch.randn(shape, device=device, requires_grad=True)
    layers = {k: nn.Conv2d(channels, filters, k, padding=k // 2, bias=False) for k in KERNEL_SIZES}
    turns: dict[str, Callable[[], float]] = {}
    for kernel_size, layer in layers.items():
        for name, work in WORKS.items():
            call = partial(work, layer.to(device), images)
            _seconds_a_call(call, device, 2)  # warm-up
            calls = max(1, round(BLOCK_SECONDS / _seconds_a_call(call, device, 1)))
            turns[f"{name} {kernel_size}"] = partial(_seconds_a_call, call, device, calls)
    # In turns, so that a slow moment of the machine does not fall on one kernel size alone.
    times = in_turns(turns, ROUNDS)

    stamp = {**environment.describe(device), **SETTINGS}
    rows = []
    for kernel_size, layer in layers.items():
        cost = lit_models.cost(layer, size, channels)
        row: dict[str, Any] = {"kernel_size": kernel_size}
        row |= {"parameters": cost.parameters, "macs": cost.macs}
        for name in WORKS:
            milliseconds = pd.Series(times[f"{name} {kernel_size}"]) * 1000
            low, median, high = milliseconds.quantile((0.25, 0.5, 0.75))
            row |= {f"{name}_ms": median, f"{name}_q1_ms": low, f"{name}_q3_ms": high}
        rows.append(row | stamp)
    return pd.DataFrame(rows)


def _forward(layer: nn.Module, images: Tensor) -> Tensor:
    return layer(images)


def _forward_backward(layer: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(layer(images).sum(), (images, layer.weight))


WORKS = {"forward": _forward, "forward_backward": _forward_backward}


def _seconds_a_call(work: Callable[[], object], device: torch.device, calls: int) -> float:
    """The mean time of several calls in a row."""
    began = accelerator.now(device)
    for _ in range(calls):
        work()
    return (accelerator.now(device) - began) / calls


@look()
def plot(rows: pd.DataFrame) -> Figure:
    """Compute time by kernel size, beside parameters and multiply-adds."""
    figure, (measured, theory) = plt.subplots(1, 2, figsize=(11, 4.5))
    sizes = rows["kernel_size"]
    for name in WORKS:
        label = f"{name.replace('_', ' + ')}, median"
        (line,) = measured.plot(sizes, rows[f"{name}_ms"], marker="o", label=label)
        low, high = rows[f"{name}_q1_ms"], rows[f"{name}_q3_ms"]
        measured.fill_between(sizes, low, high, color=line.get_color(), alpha=0.25, lw=0)
    measured.set_ylabel("time (ms); band: interquartile range")
    measured.set_title("measured", loc="left")
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
        axes.set_xlabel("kernel size")
        axes.set_xticks(sizes)
        axes.set_ylim(bottom=0)
    measured.legend(loc="upper left")
    return figure


def table(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The measurements, and their conditions in words."""
    shown = pd.DataFrame(
        {
            "kernel size": rows["kernel_size"],
            "parameters": rows["parameters"].map("{:,}".format),
            "MACs an image": rows["macs"].map("{:,}".format),
            "forward ms": _median_and_iqr(rows, "forward"),
            "forward + backward ms": _median_and_iqr(rows, "forward_backward"),
        }
    )
    first = rows.iloc[0]
    caption = (
        "Median (interquartile range) of {blocks} measurements; backward: the gradients of "
        "input and weights. Conv2d from {in_channels} to {out_channels} channels, stride 1, same "
        "padding, batch of {batch_size} images of {image_size} px; device: {device}; torch "
        "{torch_version}; commit: {commit}; finished: {finished_at}."
    ).format(blocks=ROUNDS, **first)
    return shown, caption


def _median_and_iqr(rows: pd.DataFrame, name: str) -> pd.Series:
    spread = rows[f"{name}_q3_ms"] - rows[f"{name}_q1_ms"]
    return rows[f"{name}_ms"].map("{:.2f}".format) + " (" + spread.map("{:.2f}".format) + ")"
