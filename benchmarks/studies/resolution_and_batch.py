"""What do larger images and larger batches bring, and where is the device saturated?

One net on Fashion-MNIST, whose images have 28 px and are interpolated to the others; all else as in
the protocol. With a larger batch an epoch has fewer steps, at the same learning rate.
"""

import math
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.analysis.differences import difference_of_rates
from benchmarks.analysis.intervals import error_bars
from benchmarks.records.record import OK
from benchmarks.report.style import look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict

FIELDS = {"image_size": "image size (px)", "batch_size": "batch size"}
PANELS = {"examples_per_sec": "training examples/sec", "peak_memory_mb": "peak memory (MiB)"}
SATURATED = 0.9  # of the fastest rate is called saturated


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """Two sweeps of the same models: one varies the size of images, the other that of batches."""

    image_sizes: tuple[str, ...] = ("28", "56", "112", "224")
    batch_sizes: tuple[str, ...] = ("16", "64", "256", "1024")


class ResolutionAndBatch(TrainingStudy):
    quick = Settings(
        models=("lenet",),
        dataset="fashion_mnist",
        protocol="quick",
        overrides={"train_examples": "2000", "epochs": "3"},
    )
    full = Settings(
        models=("resnet18",),
        dataset="fashion_mnist",
        protocol="standard",
        seeds=(0, 1, 2, 3, 4),
        image_sizes=("32", "64", "112", "160", "224"),
        batch_sizes=("16", "32", "64", "128", "192", "512", "1024"),
    )

    def sweeps(self, settings: Any) -> dict[str, TrainingSettings]:
        """One for each field; the batch sizes with the smallest images."""
        small = settings.overrides | {"image_size": settings.image_sizes[0]}
        return {
            "image_size": replace(settings, vary=f"image_size={','.join(settings.image_sizes)}"),
            "batch_size": replace(
                settings, vary=f"batch_size={','.join(settings.batch_sizes)}", overrides=small
            ),
        }

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The largest against the smallest, and the speed of each batch against the fastest."""
        found = []
        for field, own in self._done(rows):
            labels = dict(zip(own[field], own["label"], strict=True))
            small, large = min(labels), max(labels)
            claim = f"{FIELDS[field].split(' (')[0].capitalize()} {large} is better than {small}"
            if small != large:
                found.append(
                    self.better(self._of(rows, field), claim, labels[large], labels[small])
                )
            if field == "batch_size":
                found += self._saturation(own)
        return found

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Accuracy with its interval, speed and memory, by image size and by batch size."""
        figure, panels = plt.subplots(len(FIELDS), 3, figsize=(15, 8.5), squeeze=False)
        for line, (field, own) in zip(panels, self._done(rows), strict=False):
            labels = dict(sorted(zip(own[field], own["label"], strict=True)))
            values, within = [*labels], self._of(rows, field)
            intervals = [self.accuracy(within, label) for label in labels.values()]
            estimates = [each.estimate for each in intervals]
            line[0].errorbar(values, estimates, error_bars(intervals), marker="o", capsize=4)
            line[0].set_title("test accuracy; bar: 95 % interval", loc="left")
            for axes, (column, title) in zip(line[1:], PANELS.items(), strict=True):
                axes.plot(values, own.groupby(field)[column].median(), "o-", color="C2")
                axes.plot(own[field], own[column], "o", color="C2", ms=4, alpha=0.4)
                axes.set_ylim(bottom=0)
                axes.yaxis.set_major_formatter("{x:,.0f}")
                axes.set_title(title, loc="left")
            for axes in line:
                axes.set_xscale("log", base=2)
                axes.set_xticks(values, map(str, values))
                axes.set_xlabel(f"{FIELDS[field]}, log scale")
        return figure

    def _saturation(self, rows: pd.DataFrame) -> list[Verdict]:
        """Whether each smaller batch is nearly as fast as the fastest one."""
        rates = {size: own["examples_per_sec"].tolist() for size, own in rows.groupby("batch_size")}
        fastest = max(rates, key=lambda size: median(rates[size]))
        found = []
        for size in sorted(size for size in rates if size < fastest):
            own, best = ([[each] for each in rates[batch]] for batch in (size, fastest))
            ratio = difference_of_rates(own, best).interval
            found.append(
                Verdict(
                    f"Batches of {size} saturate the device",
                    f"Training speed in parts of that with batches of {fastest}",
                    *(math.exp(ratio.estimate), math.exp(ratio.low), math.exp(ratio.high)),
                    at_least=SATURATED,
                )
            )
        return found

    def _of(self, rows: pd.DataFrame, field: str) -> pd.DataFrame:
        """The rows of one sweep."""
        return rows[rows["sweep"] == field]

    def _done(self, rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
        """The runs of each sweep that ended well."""
        done = rows[rows["status"] == OK]
        parts = ((field, self._of(done, field)) for field in FIELDS)
        return [(field, own) for field, own in parts if len(own)]
