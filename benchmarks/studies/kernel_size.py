"""Kernel size against compute time: one convolution, timed forward and forward + backward.

Stride 1, padding k // 2 and no bias, so that parameters and multiply-adds both grow with the square
of the kernel size, in a fixed ratio; what the hardware makes of it is measured.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.benchmark import Measurement, Timer

import lit_models
from benchmarks import environment
from benchmarks.plan import digest
from benchmarks.records import now
from benchmarks.report import plots

KERNEL_SIZES = (1, 3, 5, 7, 9, 11)
SETTINGS = {"in_channels": 64, "out_channels": 64, "image_size": 56, "batch_size": 8}
MIN_SECONDS = 0.5


def run(folder: Path, device: str, force: bool = False) -> str:
    """Measure, unless measured already, write `results.csv` and rebuild what is drawn from it.

    Returns:
        The table in markdown.
    """
    path = folder / "results.csv"
    key = digest([SETTINGS, KERNEL_SIZES, device, torch.__version__])[:16]
    measured = path.exists() and (pd.read_csv(path, dtype={"key": str})["key"] == key).all()
    if force or not measured:
        rows = measure(torch.device(device)).assign(key=key)
        folder.mkdir(parents=True, exist_ok=True)
        rows.to_csv(path, index=False)
    return rebuild(folder)


def rebuild(folder: Path) -> str:
    """Write `table.md` and `plots/` from `results.csv`; returns the table."""
    rows = pd.read_csv(folder / "results.csv")
    plots.save(plots.kernel_size(rows), folder / "plots" / "kernel_size.png")
    markdown = table(rows)
    (folder / "table.md").write_text(markdown + "\n")
    return markdown


def measure(device: torch.device) -> pd.DataFrame:
    """One row a kernel size: cost in theory, median and quartiles of the times in ms."""
    images = torch.randn(
        SETTINGS["batch_size"],
        SETTINGS["in_channels"],
        SETTINGS["image_size"],
        SETTINGS["image_size"],
        device=device,
    )
    stamp = {**environment.describe(device), **SETTINGS, "finished_at": now()}
    rows = []
    for kernel_size in KERNEL_SIZES:
        layer = nn.Conv2d(
            SETTINGS["in_channels"],
            SETTINGS["out_channels"],
            kernel_size,
            padding=kernel_size // 2,
            bias=False,
        )
        cost = lit_models.cost(layer, SETTINGS["image_size"], SETTINGS["in_channels"])
        layer = layer.to(device)
        names = {"layer": layer, "images": images}
        forward = _time("layer(images)", names)
        both = _time("layer.zero_grad(); layer(images).sum().backward()", names)
        rows.append(
            {
                "kernel_size": kernel_size,
                "parameters": cost.parameters,
                "macs": cost.macs,
                **_milliseconds("forward", forward),
                **_milliseconds("forward_backward", both),
                **stamp,
            }
        )
    return pd.DataFrame(rows)


def _time(statement: str, names: dict[str, object]) -> Measurement:
    timer = Timer(statement, globals=names, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=MIN_SECONDS)


def _milliseconds(name: str, measurement: Measurement) -> dict[str, float]:
    low, median, high = 1000 * np.quantile(measurement.times, (0.25, 0.5, 0.75))
    return {f"{name}_ms": median, f"{name}_q1_ms": low, f"{name}_q3_ms": high}


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
        "Median (interquartile range) of `torch.utils.benchmark`. Conv2d from {in_channels} to "
        "{out_channels} channels, stride 1, same padding, batch of {batch_size} images of "
        "{image_size} px; device: {device}; torch {torch_version}; commit: {commit}; finished: "
        "{finished_at}."
    ).format(**first)
    return f"{shown.to_markdown(index=False, disable_numparse=True)}\n\n{caption}"


def _median_and_iqr(rows: pd.DataFrame, name: str) -> pd.Series:
    spread = rows[f"{name}_q3_ms"] - rows[f"{name}_q1_ms"]
    return rows[f"{name}_ms"].map("{:.2f}".format) + " (" + spread.map("{:.2f}".format) + ")"
