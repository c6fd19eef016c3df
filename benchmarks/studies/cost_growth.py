"""How do the seconds and the memory of a sweep grow with what is asked of it?

One net is trained for an epoch and scored on 250 images, as in any sweep that times no loops. One
quantity is varied at a time; the others stay as in `BASE`.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

import datamodules
import lit_models
from benchmarks.errors import UsageError
from benchmarks.execution.executor import make_executor
from benchmarks.execution.sweep import sweep
from benchmarks.planning.fingerprint import imported_digest, package_digest
from benchmarks.planning.placement import Placement
from benchmarks.planning.plan import plan
from benchmarks.planning.protocol import Count, Protocol
from benchmarks.planning.sweep_config import SweepConfig
from benchmarks.records.record import OK
from benchmarks.records.store import RecordStore
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study

DATASET = "fashion_mnist"
FIXED = {"epochs": "1", "validation_examples": "250", "subset": "fixed", "precision": "32-true"}

BASE = {"train_examples": 250, "image_size": 32, "batch_size": 32, "runs": 1, "ranks": 1}
UNITS = {"image_size": " (px)"}


@dataclass(frozen=True)
class Settings:
    """The net, the values of each quantity, and how often each sweep is timed."""

    model: str = "resnet18"
    train_examples: tuple[Count, ...] = (125, 250, 500, 1_000)
    image_size: tuple[Count, ...] = (32, 48, 64)
    batch_size: tuple[Count, ...] = (8, 16, 32, 64, 128)
    runs: tuple[Count, ...] = (1, 2, 4)
    ranks: tuple[Count, ...] = (1, 2)
    rounds: Count = 1


class CostGrowth(Study):
    quick = Settings()
    columns = (
        Column("quantity", "what is varied"),
        Column("value", "of this quantity", format=","),
        Column("seconds", "of the whole sweep, without the imports of its processes", "s", ".1f"),
        Column("fit_seconds", "of the training alone, summed over runs", "s", ".1f", "training"),
        Column(
            "peak_memory_mb",
            "of a process, above that before the training",
            "MiB",
            ",.0f",
            "peak memory",
        ),
    )
    note = "Otherwise {}. Means over the rounds, in which all sweeps take turns.".format(
        ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in BASE.items())
    )

    def inputs(self, settings: Settings, context: Context) -> list[object]:
        """The data, and the code of the net and of a run."""
        net = lit_models.entry(settings.model).module
        code = [imported_digest(["lit_models.classifier", net]), package_digest("benchmarks.run")]
        return [BASE, FIXED, datamodules.load(DATASET, context.data_dir).digest, *code]

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a quantity and value.

        Raises:
            ModelError, UsageError: a sweep that cannot be served, or a run that failed.
        """
        cases = [(name, value) for name in BASE for value in getattr(settings, name)]
        if context.device != "cpu":
            most = torch.accelerator.device_count()
            cases = [(name, value) for name, value in cases if name != "ranks" or value <= most]
        costs: dict[tuple[int, ...], list[dict[str, float]]] = {
            tuple((BASE | {name: value}).values()): [] for name, value in cases
        }
        _sweep(settings.model, BASE, context)  # the first waits for imports
        for _ in range(settings.rounds):
            for point, found in costs.items():
                found.append(_sweep(settings.model, dict(zip(BASE, point, strict=True)), context))
        rows = []
        for name, value in cases:
            found = costs[tuple((BASE | {name: value}).values())]
            means = {each: fmean(cost[each] for cost in found) for each in found[0]}
            rows.append({"quantity": name.replace("_", " "), "value": value, **means})
        return pd.DataFrame(rows)

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Seconds of the sweep and of its training, and memory, against each quantity."""
        quantities = rows["quantity"].unique()
        figure, panels = plt.subplots(
            2, len(quantities), figsize=(13, 6), sharex="col", sharey="row", squeeze=False
        )
        for (seconds, memory), quantity in zip(panels.T, quantities, strict=True):
            own = rows[rows["quantity"] == quantity]
            seconds.plot(own["value"], own["seconds"], marker="o", label="whole sweep")
            seconds.plot(own["value"], own["fit_seconds"], marker="o", label="training alone")
            memory.plot(own["value"], own["peak_memory_mb"], marker="o", color="C2")
            memory.set_xlabel(quantity + UNITS.get(quantity.replace(" ", "_"), ""))
            memory.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        panels[0, 0].set_ylabel("seconds")
        panels[1, 0].set_ylabel("peak memory (MiB)")
        panels[0, -1].legend()
        for axes, column in zip(panels[:, 0], ("seconds", "peak_memory_mb"), strict=True):
            axes.set_ylim(0, 1.05 * rows[column].max())
        figure.suptitle("How the cost of a sweep grows", x=0.01, ha="left")
        return figure


def _sweep(model: str, point: dict[str, int], context: Context) -> dict[str, float]:
    """What a sweep of one model costs.

    Raises:
        ModelError, UsageError: a sweep that cannot be served, or a run that failed.
    """
    fields = {name: str(point[name]) for name in ("train_examples", "image_size", "batch_size")}
    with TemporaryDirectory() as results:
        options: dict[str, Any] = {"results": Path(results), "data_dir": context.data_dir}
        config = SweepConfig(
            models=(model,),
            dataset=DATASET,
            protocol=Protocol.load("quick", FIXED | fields),
            protocol_name="quick",
            placement=Placement(device=context.device, devices=point["ranks"]),
            seeds=tuple(range(point["runs"])),
            no_timing=True,
            keep_weights=False,
            **options,
        ).resolved()
        specs = plan(config, datamodules.load(config.data, config.data_dir))
        began = time.perf_counter()
        records = sweep(specs, RecordStore(config.results), make_executor(config))
        seconds = time.perf_counter() - began
    if failed := [record for record in records if record.status != OK]:
        raise UsageError(f"a run of {model} {failed[0].status}: {failed[0].error}")
    resources = [record.resources for record in records]
    return {
        "seconds": seconds,
        "fit_seconds": sum(each.fit_seconds or 0.0 for each in resources),
        "peak_memory_mb": max(each.peak_memory_mb or 0.0 for each in resources),
    }
