"""Kernel size against compute time: one convolution, timed forward and forward + backward.

Stride 1, padding k // 2 and no bias, so that parameters and multiply-adds both grow with the square
of the kernel size, in a fixed ratio; what the hardware makes of it is measured.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

import lit_models
from benchmarks import studies
from benchmarks.machine import accelerator, environment, process_settings
from benchmarks.planning.plan import code_digest, digest
from benchmarks.records.record import identity, now
from benchmarks.records.storage import write_atomic
from benchmarks.report import plots

KERNEL_SIZES = (1, 3, 5, 7, 9, 11)
SETTINGS = {"in_channels": 64, "out_channels": 64, "image_size": 56, "batch_size": 8}
# Work is repeated for so long between two readings of the clock, which take time themselves.
ROUNDS, BLOCKS_A_ROUND, BLOCK_SECONDS = 5, 5, 0.02


def run(folder: Path, device: str, force: bool = False, data_dir: Path | None = None) -> str:
    """Measure, unless measured already, write `results.csv` and rebuild what is drawn from it.

    The images are random numbers: `data_dir` is not looked at.

    Returns:
        The table in markdown.
    """
    code = code_digest(
        [__name__, "benchmarks.machine.process_settings", "benchmarks.machine.accelerator"]
    )
    key = digest([SETTINGS, code, device, torch.__version__, identity(folder.parents[1])])[:16]
    if force or not studies.is_measured(folder, key):
        rows = measure(torch.device(device)).assign(key=key)
        write_atomic(folder / "results.csv", rows.to_csv(index=False))
    return rebuild(folder)


def rebuild(folder: Path) -> str:
    """Write `table.md` and `plots/` from `results.csv`; returns the table."""
    rows = studies.rows_of(folder)
    plots.save(plots.kernel_size(rows), folder / "plots" / "kernel_size.png")
    markdown = table(rows)
    write_atomic(folder / "table.md", markdown + "\n")
    return markdown


def measure(device: torch.device) -> pd.DataFrame:
    """One row a kernel size: cost in theory, median and quartiles of the times in ms."""
    process_settings.set_up()
    channels, size = SETTINGS["in_channels"], SETTINGS["image_size"]
    images = torch.randn(
        SETTINGS["batch_size"], channels, size, size, device=device, requires_grad=True
    )
    layers = {
        kernel_size: nn.Conv2d(
            channels, SETTINGS["out_channels"], kernel_size, padding=kernel_size // 2, bias=False
        )
        for kernel_size in KERNEL_SIZES
    }
    works = {
        (kernel_size, name): partial(work, layer.to(device), images)
        for kernel_size, layer in layers.items()
        for name, work in WORKS.items()
    }
    # In rounds, so that a slow moment of the machine does not fall on one kernel size alone.
    sizes: dict[tuple[int, str], int] = {}
    times: dict[tuple[int, str], list[float]] = {key: [] for key in works}
    for number in range(1 + ROUNDS):
        for key, work in works.items():
            if number == 0:  # warms up
                _seconds(work, device, 2)
                sizes[key] = max(1, round(BLOCK_SECONDS / _seconds(work, device, 1)))
            else:
                times[key] += [_seconds(work, device, sizes[key]) for _ in range(BLOCKS_A_ROUND)]

    stamp = {**environment.describe(device), **SETTINGS, "finished_at": now()}
    rows = []
    for kernel_size, layer in layers.items():
        cost = lit_models.cost(layer, size, channels)
        row = {"kernel_size": kernel_size, "parameters": cost.parameters, "macs": cost.macs}
        for name in WORKS:
            low, median, high = 1000 * np.quantile(times[kernel_size, name], (0.25, 0.5, 0.75))
            row |= {f"{name}_ms": median, f"{name}_q1_ms": low, f"{name}_q3_ms": high}
        rows.append(row | stamp)
    return pd.DataFrame(rows)


def _forward(layer: nn.Module, images: Tensor) -> Tensor:
    return layer(images)


def _forward_backward(layer: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(layer(images).sum(), (images, layer.weight))


WORKS = {"forward": _forward, "forward_backward": _forward_backward}


def _seconds(work: Callable[[], object], device: torch.device, number: int) -> float:
    """What one of so many takes."""
    began = accelerator.now(device)
    for _ in range(number):
        work()
    return (accelerator.now(device) - began) / number


def table(rows: pd.DataFrame) -> str:
    """The measurements in markdown, and under them what they rest on."""
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
    ).format(blocks=ROUNDS * BLOCKS_A_ROUND, **first)
    return f"{shown.to_markdown(index=False, disable_numparse=True)}\n\n{caption}"


def _median_and_iqr(rows: pd.DataFrame, name: str) -> pd.Series:
    spread = rows[f"{name}_q3_ms"] - rows[f"{name}_q1_ms"]
    return rows[f"{name}_ms"].map("{:.2f}".format) + " (" + spread.map("{:.2f}".format) + ")"
