"""How long is an epoch with the published `train_ch6` of Dive into Deep Learning, and with ours?

An epoch of LeNet from the call to its end: training, test, and what else each does, such as the
textbook's drawing. The net, the examples, the recipe and the process with its settings are the same
for both; `train_ch6` gets its batches as we make them, and from the textbook's DataLoader.
"""

import io
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch.utils.data import DataLoader
from torchvision import transforms

import datamodules
import lit_models
from benchmarks.analysis.growth import ratio_interval
from benchmarks.errors import UsageError
from benchmarks.machine import accelerator, process_settings
from benchmarks.measurement import loops
from benchmarks.measurement.loop_timings import in_turns
from benchmarks.planning.fingerprint import imported_digest
from benchmarks.planning.protocol import Count, Protocol
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict
from benchmarks.studies.peers.loops import ImageFiles
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.initialisation import initialise
from benchmarks.training.training import Training, group_size, serve
from datamodules import ImageDataset

OURS, RESIDENT, LOADER = "ours", "train_ch6, our batches", "train_ch6, its DataLoader"


@dataclass(frozen=True)
class Settings:
    """The batch, and how many epochs of each are timed after an untimed one."""

    batch_size: Count = 256
    rounds: Count = 7


class TextbookEpoch(Study):
    quick = Settings()
    columns = (
        Column("loop", "what trains, and where its batches come from"),
        Column("epoch_seconds", "median of the rounds", "s", ".2f"),
        Column("ratio", "of its median to ours", format=".2f"),
        Column("seconds", "of each round", "s", None),
    )
    note = "All 60,000 examples of Fashion-MNIST, and its test set. The loops take turns."

    def inputs(self, settings: Settings, context: Context) -> list[object]:
        """The data, the code of the net, and the version of d2l."""
        dataset = datamodules.load("fashion_mnist", context.data_dir)
        code = imported_digest(["lit_models.classifier", lit_models.entry("lenet").module])
        return [dataset.digest, code, _version()]

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row a loop."""
        process_settings.quieten()
        process_settings.set_up()
        device = torch.device(context.device)
        dataset = datamodules.load("fashion_mnist", context.data_dir)
        epochs = _epochs(dataset, device, settings.batch_size)
        turns = {name: partial(_seconds, epoch, device) for name, epoch in epochs.items()}
        in_turns(turns, 1)
        seconds = pd.Series(in_turns(turns, settings.rounds)).map(np.array)
        rows = pd.DataFrame({"loop": seconds.index, "seconds": seconds.to_numpy()})
        rows["epoch_seconds"] = rows["seconds"].map(np.median)
        return rows.assign(ratio=rows["epoch_seconds"] / rows["epoch_seconds"][0])

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Our epoch against each of the textbook's."""
        ours, *others = rows.itertuples()
        return [
            Verdict(
                f"Our epoch is at most as long as that of {other.loop}",
                "Its time over ours",
                *ratio_interval(other.seconds, ours.seconds),
                at_least=1,
            )
            for other in others
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """The median epoch of each loop as a bar, its rounds as points."""
        figure, axes = plt.subplots(figsize=(9, 3))
        bars = axes.barh(rows["loop"], rows["epoch_seconds"], color="C0", alpha=0.5)
        axes.bar_label(bars, fmt="%.2f s", label_type="center")
        for place, seconds in enumerate(rows["seconds"]):
            axes.plot(seconds, np.full(len(seconds), place), "o", color="0.3", ms=4)
        axes.invert_yaxis()
        axes.set(xlim=(0, None), xlabel="seconds of an epoch (bar: median; point: one epoch)")
        axes.set_title("LeNet on Fashion-MNIST, training and test", loc="left")
        return figure


def _d2l() -> ModuleType:
    """The package of the textbook.

    Raises:
        UsageError: it is not installed.
    """
    try:
        from d2l import torch as d2l
    except ImportError as error:
        raise UsageError(
            f"the textbook's package cannot be imported ({error}): `pip install --no-deps "
            "d2l==0.17.6 ipython requests` adds it"
        ) from None
    return d2l


def _version() -> str:
    _d2l()
    import d2l

    return d2l.__version__


def _epochs(
    dataset: ImageDataset, device: torch.device, batch_size: int
) -> dict[str, Callable[[], object]]:
    """An epoch of each loop; all train the same net, initialised anew."""
    protocol = replace(Protocol.load("d2l").for_model("lenet"), batch_size=batch_size, epochs=1)
    shape = {"in_channels": dataset.channels, "num_classes": len(dataset.classes)}
    net = lit_models.build("lenet", **shape, image_size=protocol.image_size).to(device)
    data = serve(dataset, device, protocol)
    macs = lit_models.cost(net, protocol.image_size, dataset.channels).macs
    data.group_size = group_size(macs, data)
    training = Training(net, lit_models.CLASSIFICATION, len(dataset.classes), protocol, data)

    tested = replace(dataset, train_images=dataset.test_images, train_labels=dataset.test_labels)
    workers = _d2l().get_dataloader_workers()
    loaders = [
        DataLoader(
            ImageFiles(each, transforms.Compose([transforms.ToTensor()])),
            batch_size,
            shuffle=each is dataset,
            num_workers=workers,
        )
        for each in (dataset, tested)
    ]
    theirs = partial(_train_ch6, net, protocol.learning_rate, device)
    return {
        OURS: partial(_ours, training),
        RESIDENT: lambda: theirs(data.train_batches, data.test_dataloader()),
        LOADER: lambda: theirs(*loaders),
    }


def _ours(training: Training) -> None:
    initialise(training.net, training.protocol.init, training.first_batch()[0])
    trainer = training.trainer(
        max_epochs=1,
        callbacks=[TrainingClock(), DivergenceWatch()],
        enable_progress_bar=False,
        enable_checkpointing=False,
    )
    module = training.module()
    trainer.fit(module, datamodule=training.data)
    trainer.test(module, datamodule=training.data, verbose=False)
    loops.release_optimizer(trainer)


def _train_ch6(
    net: torch.nn.Module, rate: float, device: torch.device, *batches: Iterable[Any]
) -> None:
    main = sys.modules["__main__"]  # IPython, in which d2l displays its figure, replaces it
    try:
        with redirect_stdout(io.StringIO()):
            _d2l().train_ch6(net, *batches, num_epochs=1, lr=rate, device=device)
    finally:
        sys.modules["__main__"] = main
        plt.close("all")


def _seconds(epoch: Callable[[], object], device: torch.device) -> float:
    began = accelerator.now(device)
    epoch()
    return accelerator.now(device) - began
