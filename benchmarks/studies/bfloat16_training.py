"""How much faster do nets train in bfloat16?

One training step, forward and backward pass and optimizer, is timed on a resident batch under
`32-true` and `bf16-mixed`. Single layers are timed by `bfloat16`.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

import datamodules
import lit_models
from benchmarks.analysis.intervals import over_processes
from benchmarks.machine import process_settings
from benchmarks.measurement import calls
from benchmarks.planning.fingerprint import imported_digest
from benchmarks.planning.protocol import Count, Positive, Protocol
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict
from benchmarks.studies.base.study import by_model
from benchmarks.training.precision import keep_in_fp32
from benchmarks.training.training import Training, serve
from datamodules import ImageDataset

PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True)
class Settings:
    """The nets, the protocol, and how a step is timed (see `benchmarks.measurement.calls`)."""

    models: tuple[str, ...] = ("all",)
    protocol: str = "quick"
    dataset: str = "fashion_mnist"
    rounds: Count = 7
    block_seconds: Positive = 0.5


class BFloat16Training(Study):
    quick = Settings()
    part = "model"
    columns = (
        Column("model", "the net"),
        Column("batch_size", "examples a step", "examples"),
        Column("image_size", "height and width", "px"),
        Column("fp32_ms", "median time of a step in 32-true", "ms", ".1f", "fp32"),
        Column("bf16_ms", "median time of a step in bf16-mixed", "ms", ".1f", "bf16"),
        Column(
            "ratio",
            "the former over the latter, median of the rounds (first to third quartile)",
            format="{ratio:.2f} ({ratio_q1:.2f} to {ratio_q3:.2f})",
            title="fp32 / bf16",
        ),
        *(Column(f"{name}_rounds", "time of each round", "ms", None) for name in PRECISIONS),
    )
    note = "Both precisions take turns in every round."

    def parts(self, settings: Settings) -> dict[str, Settings]:
        """A part for each net."""
        return by_model(settings, datamodules.TASKS[settings.dataset])

    def inputs(self, settings: Settings, context: Context) -> list[object]:
        """The data, the protocol, and the code of the net."""
        nets = [lit_models.entry(name).module for name in settings.models]
        dataset = datamodules.load(settings.dataset, context.data_dir)
        protocol = asdict(Protocol.load(settings.protocol))
        return [dataset.digest, protocol, imported_digest(["lit_models.classifier", *nets])]

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row: the times of a step of one net."""
        process_settings.set_up()
        (model,), device = settings.models, torch.device(context.device)
        print(f"{model} ...", flush=True)
        dataset = datamodules.load(settings.dataset, context.data_dir)
        protocol = Protocol.load(settings.protocol).for_model(model)
        steps = {
            name: _step(model, dataset, device, replace(protocol, precision=precision))
            for name, precision in PRECISIONS.items()
        }
        seconds = calls.in_rounds(
            steps, device, rounds=settings.rounds, block_seconds=settings.block_seconds
        )
        fp32: Any = 1000 * seconds["fp32"]
        bf16: Any = 1000 * seconds["bf16"]
        q1, ratio, q3 = np.quantile(fp32 / bf16, (0.25, 0.5, 0.75))
        row: dict[str, Any] = {
            "model": model,
            "batch_size": protocol.batch_size,
            "image_size": protocol.image_size,
            "fp32_ms": np.median(fp32),
            "bf16_ms": np.median(bf16),
            "ratio": ratio,
            "ratio_q1": q1,
            "ratio_q3": q3,
            "fp32_rounds": fp32,
            "bf16_rounds": bf16,
        }
        return pd.DataFrame([row])

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The geometric mean of the ratios, its interval that over new nets; and the least."""
        mean = over_processes([[ratio] for ratio in rows["ratio"]])
        least = rows.sort_values("ratio").iloc[0]
        ratios = np.divide(least["fp32_rounds"], least["bf16_rounds"])
        slowest = over_processes([ratios])
        return [
            Verdict(
                "Nets train at least 1.4 times as fast in bfloat16",
                f"Time of a step in fp32 over that in bfloat16, geometric mean of {len(rows)} nets",
                *(mean.estimate, mean.low, mean.high),
                at_least=1.4,
            ),
            Verdict(
                "No net trains slower in bfloat16",
                f"Time of a step in fp32 over that in bfloat16, {least['model']}",
                *(slowest.estimate, slowest.low, slowest.high),
                at_least=1.0,
            ),
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """How much faster each net trains in bfloat16; bars: quartiles."""
        shown = rows.sort_values("ratio")
        figure, axes = plt.subplots(figsize=(8, 1.5 + 0.45 * len(rows)))
        axes.axvline(1, color="0.3", lw=1)
        spread = [shown["ratio"] - shown["ratio_q1"], shown["ratio_q3"] - shown["ratio"]]
        axes.errorbar(shown["ratio"], range(len(rows)), xerr=spread, fmt="o")
        axes.set_yticks(range(len(rows)), shown["model"])
        axes.set_xlabel("time of a step in fp32 over that in bfloat16 (bar: interquartile range)")
        axes.set_title("Right of 1, training in bfloat16 is faster", loc="left")
        return figure


def _step(
    model: str, dataset: ImageDataset, device: torch.device, protocol: Protocol
) -> Callable[[], object]:
    """A training step on a resident batch."""
    torch.manual_seed(0)
    net = lit_models.build(
        model,
        in_channels=dataset.channels,
        num_classes=len(dataset.classes),
        image_size=protocol.image_size,
    ).to(device, memory_format=getattr(torch, protocol.memory_format))
    if device.type == "cpu" and protocol.precision == "bf16-mixed":
        keep_in_fp32(net)
    data = serve(dataset, device, protocol)
    task = lit_models.entry(model).task
    training = Training(net, task, len(dataset.classes), protocol, data).with_negligible_updates()
    return partial(training.step, training.optimizer(), *training.first_batch())
