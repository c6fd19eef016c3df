"""Our loop against the loops others would write, on the same machine, net, batch and image size.

In turns, a slice of each at a time: the Trainer's loop as in a run, a bare loop on one resident
batch, a textbook's loop and Lightning's, each with torchvision's data in a DataLoader, and the step
of timm. Ratios are of what was measured side by side.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import gmean

import datamodules
import lit_models
from benchmarks import backend, environment, loops, peer_loops, speeds, studies
from benchmarks.loops import Training
from benchmarks.peer_loops import HAS_TIMM, Peer
from benchmarks.plan import code_digest, digest
from benchmarks.protocol import Protocol
from benchmarks.records import identity, now, read_rows
from benchmarks.report import plots
from benchmarks.storage import write_whole
from datamodules.image_data import DeviceResidentDataModule

DATASET = "fashion_mnist"
SIZES = {"image_size": 96, "batch_size": 64}
OWN_SIZES = {"lenet": {"image_size": 28, "batch_size": 256}}  # as in the textbook

# Rounds of all loops: as many as fit in the time, within limits.
SECONDS, LEAST_ROUNDS, MOST_ROUNDS, SLICE_SECONDS = 60.0, 5, 31, 0.3

OURS = "ours"
NAMES = {
    OURS: "our loop",
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
    """Measure the models not measured yet, write `results.csv` and what is drawn of it.

    Returns:
        The table in markdown.

    Raises:
        DataError: the dataset is not to be had.
        ModelError: no such model.
    """
    names = lit_models.select(models, None, datamodules.TASKS[DATASET])
    dataset = datamodules.load(DATASET, data_dir)
    where = [dataset.digest, device, torch.__version__, identity(folder.parents[1])]
    for model in names:
        sizes = SIZES | OWN_SIZES.get(model, {})
        lit_models.check_image_size(model, sizes["image_size"])
        modules = [__name__, "benchmarks.loops", "benchmarks.peer_loops", "benchmarks.speeds"]
        code = code_digest([*modules, "datamodules.image_data", lit_models.entry(model).module])
        key = digest([model, sizes, SECONDS, HAS_TIMM, code, *where])[:16]
        known = read_rows(folder / "results.csv")
        if force or known is None or key not in set(known["key"]):
            print(f"{model}: {sizes['image_size']} px, batch {sizes['batch_size']} ...", flush=True)
            rows = measure(model, dataset, torch.device(device), **sizes).assign(key=key)
            others = [] if known is None else [known[known["model"] != model]]
            write_whole(folder / "results.csv", pd.concat([*others, rows]).to_csv(index=False))
    return rebuild(folder)


def rebuild(folder: Path) -> str:
    """Write `table.md` and `plots/` from `results.csv`; returns the table."""
    rows = studies.rows_of(folder)
    plots.save(plots.peers(rows, NAMES), folder / "plots" / "peers.png")
    markdown = table(rows)
    write_whole(folder / "table.md", markdown + "\n")
    return markdown


def measure(
    model: str,
    dataset: datamodules.ImageDataset,
    device: torch.device,
    image_size: int,
    batch_size: int,
) -> pd.DataFrame:
    """One row a loop: quartiles of its examples/sec, and of ours over it, round by round."""
    backend.set_up()
    torch.manual_seed(0)
    protocol = Protocol(
        image_size=image_size,
        epochs=1,
        batch_size=batch_size,
        learning_rate=0.05,
        normalize=False,
        precision="32-true",
    )
    layout = getattr(torch, protocol.memory_format)
    data = DeviceResidentDataModule(
        dataset,
        device,
        image_size=image_size,
        batch_size=batch_size,
        normalize=False,
        memory_format=layout,
    )
    num_classes = len(dataset.classes)
    net = lit_models.build(
        model, in_channels=dataset.channels, num_classes=num_classes, image_size=image_size
    ).to(device, memory_format=layout)
    training = Training(net, lit_models.entry(model).task, num_classes, protocol, data).idle()

    rate = loops.bare_loop(training, steps=2)
    steps = speeds.steps_in(SLICE_SECONDS, rate, batch_size)
    peer = Peer(training, dataset, best_workers(training, dataset, steps))
    turns = {
        OURS: partial(loops.trainer_loop, training, steps),
        "bare": partial(loops.bare_loop, training, steps),
        "textbook": partial(peer_loops.textbook, peer, steps),
        "lightning": partial(peer_loops.lightning, peer, steps),
    }
    if HAS_TIMM:
        turns["timm"] = partial(peer_loops.timm, peer, steps)
    slice_seconds = (loops.WARMUP_STEPS + steps) * batch_size / rate
    rounds = int(np.clip(SECONDS / (len(turns) * slice_seconds), LEAST_ROUNDS, MOST_ROUNDS))
    samples = speeds.in_turns(turns, rounds)

    settings = {
        "image_size": image_size,
        "batch_size": batch_size,
        "workers": peer.workers,
        "steps": steps,
        "rounds": rounds,
    }
    stamp = {**environment.describe(device), "data_source": dataset.source, "finished_at": now()}
    rows = []
    for name, values in samples.items():
        quartiles = np.quantile(values, (0.25, 0.5, 0.75))
        ratios = np.quantile(speeds.ratios(samples, OURS, name), (0.25, 0.5, 0.75))
        row = {"model": model, "loop": name} | settings
        row |= dict(zip((f"examples_per_sec_{q}" for q in QUARTILES), quartiles, strict=True))
        row |= dict(zip((f"ratio_{q}" for q in QUARTILES), ratios, strict=True))
        rows.append(row | stamp)
    return pd.DataFrame(rows)


QUARTILES = ("q1", "median", "q3")


def best_workers(training: Training, dataset: datamodules.ImageDataset, steps: int) -> int:
    """The number of workers with which the textbook's loop is fastest here."""
    counts = range(torch.get_num_threads() + 1)
    turns = {
        str(count): partial(peer_loops.textbook, Peer(training, dataset, count), steps)
        for count in counts
    }
    samples = speeds.in_turns(turns, rounds=3)
    return max(counts, key=lambda count: np.median(samples[str(count)]))


def table(rows: pd.DataFrame) -> str:
    """The measurements in markdown, a sentence a model, and what they rest on."""
    ratios = rows.pivot(index="model", columns="loop", values="ratio_median")
    shown = pd.DataFrame(
        [
            {
                "model": model,
                "image size": own["image_size"].iloc[0],
                "batch size": own["batch_size"].iloc[0],
                **{
                    f"{name}": f"{row['examples_per_sec_median']:,.0f}"
                    for name, row in own.set_index("loop").iterrows()
                },
                "ours / bare": _with_quartiles(own, "bare"),
                "ours / textbook": _with_quartiles(own, "textbook"),
                "ours / lightning": _with_quartiles(own, "lightning"),
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
    first = rows.iloc[0]
    caption = (
        "Examples/sec, medians of rounds in which the loops took turns; ratios: median over the "
        "rounds (first to third quartile). Plain SGD, fp32. The first two loops keep the data on "
        "the device, and nets in the layout `channels_last`; the others are as most people would "
        "write them, the DataLoader with its fastest number of workers here ({workers}). "
        "{data_source}; device: {device}; torch {torch_version}, lightning {lightning_version}; "
        "commit: {commit}; finished: {finished_at}."
    ).format(**{**first, "workers": _workers(rows)})
    listed = "\n".join(f"- {sentence}" for sentence in sentences)
    return f"{shown.to_markdown(index=False, disable_numparse=True)}\n\n{listed}\n\n{caption}"


def _with_quartiles(own: pd.DataFrame, loop: str) -> str:
    row = own.set_index("loop").loc[loop]
    return f"{row['ratio_median']:.2f} ({row['ratio_q1']:.2f} to {row['ratio_q3']:.2f})"


def _sentence(model: str, own: pd.DataFrame) -> str:
    ratios = own.set_index("loop")["ratio_median"].drop(OURS)
    parts = [f"{ratio:.2f} times as fast as {NAMES[name]}" for name, ratio in ratios.items()]
    return f"{model}: our loop is {', '.join(parts[:-1])} and {parts[-1]}."


def _workers(rows: pd.DataFrame) -> str:
    by_count = rows.groupby("workers")["model"].unique()
    return "; ".join(f"{count}: {', '.join(models)}" for count, models in by_count.items())
