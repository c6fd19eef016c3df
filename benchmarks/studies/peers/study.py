"""How fast is our training loop against others, with the same net, batch and image size?

Five loops take turns, a slice of steps at a time: the Trainer's loop as in a run; a bare loop on
one resident batch; a textbook's loop and Lightning's, each with torchvision's data in a DataLoader;
and the step of timm. Ratios compare rates of the same round.
"""

from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

import datamodules
import lit_models
from benchmarks.analysis.intervals import over_processes
from benchmarks.machine import environment, process_settings
from benchmarks.measurement import loop_timings, loops
from benchmarks.planning.checks import check_task
from benchmarks.planning.fingerprint import imported_digest
from benchmarks.planning.protocol import AtLeastZero, Count
from benchmarks.report.notes import values
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict, by_model
from benchmarks.studies.peers.loops import HAS_TIMM, OURS, THEIRS
from benchmarks.studies.peers.processes import LoopProcess, PeerSetup

DATASET = "fashion_mnist"
SIZES = {"image_size": 96, "batch_size": 64}
OWN_SIZES = {"lenet": {"image_size": 28, "batch_size": 256}}  # as in the textbook
LEAST_ROUNDS, MOST_ROUNDS = 1, 6

NAMES = {
    "ours": "our loop",
    "bare": "a bare loop on one resident batch",
    "textbook": "the textbook's with a DataLoader",
    "lightning": "Lightning with a DataLoader",
    "timm": "timm's step on one resident batch",
}
# The least ratio of our rate to another's that each claim asks for
CLAIMS = {
    "bare": ("Our loop reaches 95 % of the speed of a bare loop", 0.95),
    "textbook": ("Our loop is faster than the textbook's with a DataLoader", 1.0),
    "lightning": ("Our loop is faster than Lightning with a DataLoader", 1.0),
}


@dataclass(frozen=True)
class Settings:
    """The nets, and how long their loops are timed.

    The speed of other loops varies between processes with memory placement, so both sides are timed
    in fresh processes, one after another. Each process has as many rounds as would fit in its part
    of `seconds` if all loops ran at the bare loop's speed, within limits.
    """

    models: tuple[str, ...] = ("all",)
    processes: Count = 5
    seconds: AtLeastZero = 60.0
    slice_seconds: AtLeastZero = 0.3


class Peers(Study):
    quick = Settings()
    part = "model"
    columns = (
        Column("model", "name of the net"),
        Column("image_size", "height and width of the images", "px"),
        Column("batch_size", "examples a step"),
        Column("examples_per_sec_median", "of each loop, the median over the rounds"),
        Column("ratio_median", "of our rate to that of another loop in the same round"),
    )

    def parts(self, settings: Settings) -> dict[str, Settings]:
        """A part for each net.

        Raises:
            ModelError: no such model, or images too small for it.
            UsageError: a net for another task.
        """
        parts = by_model(settings, datamodules.TASKS[DATASET])
        for model in parts:
            check_task(model, DATASET)
            lit_models.check_image_size(model, _sizes(model)["image_size"])
        return parts

    def inputs(self, settings: Settings, context: Context) -> list[object]:
        """The data, the code of the net, and whether timm takes part."""
        (model,) = settings.models
        dataset = datamodules.load(DATASET, context.data_dir)
        code = imported_digest(["lit_models.classifier", lit_models.entry(model).module])
        return [_sizes(model), HAS_TIMM, dataset.digest, code]

    def stamp(self, device: torch.device) -> dict[str, Any]:
        """Without the settings of a process, which differ between ours and theirs."""
        unused = process_settings.settings()
        return {k: v for k, v in environment.describe(device).items() if k not in unused}

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a loop: quartiles over the rounds of its examples/sec, and of ours over it.

        Raises:
            ModelError: the net does not fit the images.
            UsageError: these loops cannot train the net.
        """
        (model,) = settings.models
        dataset, sizes = datamodules.load(DATASET, context.data_dir), _sizes(model)
        lit_models.check(
            model,
            in_channels=dataset.channels,
            num_classes=len(dataset.classes),
            image_size=sizes["image_size"],
        )
        print(f"{model}: {sizes['image_size']} px, batch {sizes['batch_size']} ...", flush=True)
        setup = PeerSetup(model, dataset, torch.device(context.device), **sizes)
        batch_size = sizes["batch_size"]
        with LoopProcess(setup, ours=True) as ours, LoopProcess(setup, ours=False) as theirs:
            rate = ours.speed("bare", steps=2)
            steps = loop_timings.steps_in(settings.slice_seconds, rate, batch_size)
            workers = _best_workers(theirs, steps)
        loop_seconds = (loops.WARMUP_STEPS + steps) * batch_size / rate
        round_seconds = len(OURS | THEIRS) * loop_seconds
        in_time = settings.seconds / settings.processes / round_seconds
        rounds = ceil(np.clip(in_time, LEAST_ROUNDS, MOST_ROUNDS))
        samples: dict[str, list[float]] = {name: [] for name in OURS | THEIRS}
        for _ in range(settings.processes):
            with LoopProcess(setup, ours=True) as ours, LoopProcess(setup, ours=False) as theirs:
                turns = {name: partial(ours.speed, name, steps) for name in OURS}
                turns |= {name: partial(theirs.speed, name, steps, workers) for name in THEIRS}
                for name, rates in loop_timings.in_turns(turns, rounds).items():
                    samples[name] += rates

        shared = {"model": model, **sizes, "workers": workers, "steps": steps}
        shared |= {"rounds": settings.processes * rounds, "data_source": dataset.source}
        rows: list[dict[str, Any]] = []
        for name, rates in samples.items():
            row: dict[str, Any] = {"loop": name, **shared}
            ratios = loop_timings.ratios(samples, "ours", name)
            for column, by_round in {"examples_per_sec": rates, "ratio": ratios}.items():
                names = [f"{column}_{quantile}" for quantile in ("q1", "median", "q3")]
                row |= zip(names, np.quantile(by_round, (0.25, 0.5, 0.75)), strict=True)
            rows.append(row)
        return pd.DataFrame(rows)

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The geometric mean of the ratios over the nets, its interval that over new nets."""
        ratios = rows.pivot(index="model", columns="loop", values="ratio_median")
        verdicts = []
        for loop, (claim, at_least) in CLAIMS.items():
            nets = ratios[loop].dropna()
            mean = over_processes([[ratio] for ratio in nets])
            figure = f"Our rate over the other's, geometric mean of {len(nets)} nets"
            effect = (mean.estimate, mean.low, mean.high)
            verdicts.append(Verdict(claim, figure, *effect, at_least=at_least))
        return verdicts

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """The rate of our loop over that of each other loop, by model; bars: quartiles."""
        models = rows["model"].unique()[::-1]
        labels = rows.drop_duplicates("model").set_index("model").loc[models]
        others = [loop for loop in NAMES if loop in set(rows["loop"])][1:]
        figure, axes = plt.subplots(figsize=(9, 2 + 0.55 * len(models)))
        axes.axvline(1, color="0.3", lw=1)
        for number, loop in enumerate(others):
            own = rows[rows["loop"] == loop].set_index("model").reindex(models)
            places = np.arange(len(models)) + 0.12 * ((len(others) - 1) / 2 - number)
            middle = own["ratio_median"]
            spread = [middle - own["ratio_q1"], own["ratio_q3"] - middle]
            axes.errorbar(middle, places, xerr=spread, fmt="o", ms=7, label=NAMES[loop])
        names = [f"{row.Index}, {row.image_size} px" for row in labels.itertuples()]
        axes.set_yticks(range(len(models)), names)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_xlabel("times as fast as (log scale; bar: interquartile range)")
        axes.set_title("Our training loop against others", loc="left")
        figure.legend(loc="outside lower center", ncols=2)
        return figure

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """A row a net: the rate of each loop, and the ratios with their quartiles."""
        others = [loop for loop in NAMES if loop in set(rows["loop"])][1:]
        shown = []
        for model, own in rows.groupby("model", sort=False):
            by_loop = own.set_index("loop")
            row = {"model": model, **by_loop[["image_size", "batch_size"]].iloc[0]}
            row |= by_loop["examples_per_sec_median"].map("{:,.0f}".format)
            row |= {f"ours / {loop}": _with_quartiles(by_loop, loop) for loop in others}
            shown.append(row)
        return pd.DataFrame(shown).fillna("").rename(columns=lambda name: name.replace("_", " "))

    def caption(self, rows: pd.DataFrame) -> str:
        """The meaning of the columns, and the conditions."""
        names = ("data_source", "device", "torch_version", "lightning_version", "commit")
        return (
            "Examples/sec: medians over rounds in which the loops took turns, in {processes} "
            "processes of each side. Ratios: median over the rounds (first to third quartile). "
            "Plain SGD, fp32. The first two loops keep the data on the device and the net in the "
            "layout `channels_last`; the others are as most people would write them, the "
            "DataLoader with the number of workers that is fastest here ({workers}). "
            "{data_source}; device: {device}; torch {torch_version}, lightning "
            "{lightning_version}; commit: {commit}; finished: {finished_at}."
        ).format(
            **{name: values(rows[name]) for name in (*names, "processes")},
            workers=_workers(rows),
            finished_at=rows["finished_at"].max(),
        )


def _sizes(model: str) -> dict[str, int]:
    return SIZES | OWN_SIZES.get(model.partition("[")[0], {})


def _best_workers(theirs: LoopProcess, steps: int) -> int:
    """The number of DataLoader workers with which the textbook's loop is fastest."""
    most = torch.get_num_threads()  # to try every count up to many would take minutes
    counts = sorted({0, most, *(2**power for power in range(most.bit_length()))})
    turns = {str(count): partial(theirs.speed, "textbook", steps, count) for count in counts}
    samples = loop_timings.in_turns(turns, rounds=3)
    return max(counts, key=lambda count: np.median(samples[str(count)]))


def _with_quartiles(by_loop: pd.DataFrame, loop: str) -> str:
    if loop not in by_loop.index:
        return ""
    row = by_loop.loc[loop]
    return f"{row['ratio_median']:.2f} ({row['ratio_q1']:.2f} to {row['ratio_q3']:.2f})"


def _workers(rows: pd.DataFrame) -> str:
    by_count = rows.groupby("workers")["model"].unique()
    return "; ".join(f"{count}: {', '.join(models)}" for count, models in by_count.items())
