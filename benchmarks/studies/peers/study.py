"""Our loop against the loops of others, on the same machine, net, batch and image size.

Five loops take turns, a slice of steps at a time: the Trainer's loop as in a run; a bare loop on
one resident batch; a textbook's loop and Lightning's, each with torchvision's data in a DataLoader;
and the step of timm. Ratios compare rates of the same round.
"""

from functools import partial
from math import ceil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from scipy.stats import gmean

import datamodules
import lit_models
from benchmarks.machine import environment, process_settings
from benchmarks.measurement import loop_timings, loops
from benchmarks.planning.fingerprint import imported_digest, package_digest
from benchmarks.planning.sweep_config import check_task
from benchmarks.report.notes import values
from benchmarks.report.style import look
from benchmarks.studies import base
from benchmarks.studies.peers.loops import HAS_TIMM, OURS, THEIRS
from benchmarks.studies.peers.processes import LoopProcess, PeerSetup

DATASET = "fashion_mnist"
SIZES = {"image_size": 96, "batch_size": 64}
OWN_SIZES = {"lenet": {"image_size": 28, "batch_size": 256}}  # as in the textbook

# Packages whose code decides the results; this file and the net's own code come on top.
MEASURING = (
    *("benchmarks.machine", "benchmarks.measurement", "benchmarks.training"),
    *("benchmarks.studies.peers.loops", "benchmarks.studies.peers.processes", "datamodules"),
)

# The speed of other loops varies between processes with memory placement, so both sides are timed
# in PROCESSES fresh processes, one after another. Each process has as many rounds as would fit in
# its part of SECONDS if all loops ran at the bare loop's speed, within limits.
PROCESSES = 5
SECONDS, LEAST_ROUNDS, MOST_ROUNDS, SLICE_SECONDS = 60.0, 1, 6, 0.3

NAMES = {
    "ours": "our loop",
    "bare": "a bare loop on one resident batch",
    "textbook": "the textbook's with a DataLoader",
    "lightning": "Lightning with a DataLoader",
    "timm": "timm's step on one resident batch",
}


def run(
    folder: Path,
    device: str,
    force: bool = False,
    data_dir: Path = Path("data"),
    models: tuple[str, ...] = ("all",),
) -> str:
    """Measure the models not measured yet, then rebuild.

    Raises:
        DataError: the dataset cannot be loaded.
        ModelError: no such model.
        UsageError: these loops cannot train a model.
    """
    names = lit_models.select(models, None, datamodules.TASKS[DATASET])
    for model in names:
        check_task(model, DATASET)
    dataset = datamodules.load(DATASET, data_dir)
    shared = [SECONDS, HAS_TIMM, dataset.digest, base.code_digest(__file__), device]
    shared += map(package_digest, MEASURING)
    for model in names:
        sizes = SIZES | OWN_SIZES.get(model.partition("[")[0], {})
        lit_models.check_image_size(model, sizes["image_size"])
        lit_models.check(
            model,
            in_channels=dataset.channels,
            num_classes=len(dataset.classes),
            image_size=sizes["image_size"],
        )
        net_code = imported_digest(["lit_models.classifier", lit_models.entry(model).module])
        inputs = [model, sizes, net_code, *shared]
        work = partial(measure, model, dataset, torch.device(device), **sizes)
        base.measure_once(folder, inputs, work, force=force, model=model)
    return rebuild(folder)


def rebuild(folder: Path) -> str:
    """Write `table.md` and `plots/` from `results.csv`; returns the table."""
    return base.rebuild(folder, plot, table)


def measure(
    model: str,
    dataset: datamodules.ImageDataset,
    device: torch.device,
    image_size: int,
    batch_size: int,
) -> pd.DataFrame:
    """One row a loop: quartiles over the rounds of its examples/sec, and of ours over it."""
    print(f"{model}: {image_size} px, batch {batch_size} ...", flush=True)
    setup = PeerSetup(model, dataset, device, image_size, batch_size)
    with LoopProcess(setup, ours=True) as ours, LoopProcess(setup, ours=False) as theirs:
        rate = ours.speed("bare", steps=2)
        steps = loop_timings.steps_in(SLICE_SECONDS, rate, batch_size)
        workers = _best_workers(theirs, steps)
    loop_seconds = (loops.WARMUP_STEPS + steps) * batch_size / rate
    round_seconds = len(OURS | THEIRS) * loop_seconds
    rounds = ceil(np.clip(SECONDS / PROCESSES / round_seconds, LEAST_ROUNDS, MOST_ROUNDS))
    samples: dict[str, list[float]] = {name: [] for name in OURS | THEIRS}
    for _ in range(PROCESSES):
        with LoopProcess(setup, ours=True) as ours, LoopProcess(setup, ours=False) as theirs:
            turns = {name: partial(ours.speed, name, steps) for name in OURS}
            turns |= {name: partial(theirs.speed, name, steps, workers) for name in THEIRS}
            for name, rates in loop_timings.in_turns(turns, rounds).items():
                samples[name] += rates

    settings = {"image_size": image_size, "batch_size": batch_size, "workers": workers}
    settings |= {"steps": steps, "processes": PROCESSES, "rounds": PROCESSES * rounds}
    machine, unused = environment.describe(device), process_settings.settings()
    stamp = {name: value for name, value in machine.items() if name not in unused}
    stamp |= {"data_source": dataset.source}
    rows = []
    for name, rates in samples.items():
        row = {"model": model, "loop": name, **settings}
        measured = {"examples_per_sec": rates, "ratio": loop_timings.ratios(samples, "ours", name)}
        for column, by_round in measured.items():
            low, median, high = pd.Series(by_round).quantile((0.25, 0.5, 0.75))
            row |= {f"{column}_q1": low, f"{column}_median": median, f"{column}_q3": high}
        rows.append(row | stamp)
    return pd.DataFrame(rows)


def _best_workers(theirs: LoopProcess, steps: int) -> int:
    """The number of DataLoader workers with which the textbook's loop is fastest."""
    most = torch.get_num_threads()  # to try every count up to many would take minutes
    counts = sorted({0, most, *(2**power for power in range(most.bit_length()))})
    turns = {str(count): partial(theirs.speed, "textbook", steps, count) for count in counts}
    samples = loop_timings.in_turns(turns, rounds=3)
    return max(counts, key=lambda count: np.median(samples[str(count)]))


@look()
def plot(rows: pd.DataFrame) -> Figure:
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


def table(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The measurements; a sentence for each model, and the conditions."""
    ratios = rows.pivot(index="model", columns="loop", values="ratio_median")
    others = ("bare", "textbook", "lightning")
    shown = pd.DataFrame(
        [
            {
                "model": model,
                "image size": own["image_size"].iloc[0],
                "batch size": own["batch_size"].iloc[0],
                **own.set_index("loop")["examples_per_sec_median"].map("{:,.0f}".format),
                **{f"ours / {loop}": _with_quartiles(own, loop) for loop in others},
            }
            for model, own in rows.groupby("model", sort=False)
        ]
    ).fillna("")
    sentences = [_sentence(model, own) for model, own in rows.groupby("model", sort=False)]
    at = rows[rows["image_size"] == SIZES["image_size"]]["model"].unique()
    if len(at) > 1:
        means = ratios.loc[at].apply(gmean)
        sentences.append(
            f"Geometric means over the {len(at)} models at {SIZES['image_size']} px: "
            f"{means['textbook']:.2f} of the textbook's, {means['lightning']:.2f} of Lightning's, "
            f"{means['bare']:.2f} of the bare loop's."
        )
    stamps = ("data_source", "device", "torch_version", "lightning_version", "commit", "processes")
    caption = (
        "Examples/sec: medians over rounds in which the loops took turns, in {processes} processes "
        "of each side. Ratios: median over the rounds (first to third quartile). Plain SGD, fp32. "
        "The first two loops keep the data on the device and the net in the layout "
        "`channels_last`; the others are as most people would write them, the DataLoader with the "
        "number of workers that is fastest here ({workers}). "
        "{data_source}; device: {device}; torch {torch_version}, lightning {lightning_version}; "
        "commit: {commit}; finished: {finished_at}."
    ).format(
        **{name: values(rows[name]) for name in stamps},
        workers=_workers(rows),
        finished_at=rows["finished_at"].max(),
    )
    listed = "\n".join(f"- {sentence}" for sentence in sentences)
    return shown, f"{listed}\n\n{caption}"


def _with_quartiles(own: pd.DataFrame, loop: str) -> str:
    row = own.set_index("loop").loc[loop]
    return f"{row['ratio_median']:.2f} ({row['ratio_q1']:.2f} to {row['ratio_q3']:.2f})"


def _sentence(model: str, own: pd.DataFrame) -> str:
    ratios = own.set_index("loop")["ratio_median"].drop("ours")
    parts = [f"{ratio:.2f} times as fast as {NAMES[name]}" for name, ratio in ratios.items()]
    return f"{model}: our loop is {', '.join(parts[:-1])} and {parts[-1]}."


def _workers(rows: pd.DataFrame) -> str:
    by_count = rows.groupby("workers")["model"].unique()
    return "; ".join(f"{count}: {', '.join(models)}" for count, models in by_count.items())
