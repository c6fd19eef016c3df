"""The study `robustness`."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.differences import difference
from benchmarks.analysis.intervals import Interval
from benchmarks.planning.protocol import Count
from benchmarks.report.style import look
from benchmarks.studies.base import Column, TrainedNetsStudy, TrainedRun, TrainingSettings, Verdict
from benchmarks.studies.robustness.changes import CHANGES, NEUTRAL, changed
from datamodules.transforms import resize

PLAIN, AUGMENTED = "none", "flip+crop"  # values of the varied field
SHIFT, ANGLE = 4, 15  # strengths that the verdicts compare
WORDS = {"unchanged": "Consistency", "correct": "Accuracy on changed images"}


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """The sweep, and on how many test images its nets are tested."""

    images: Count = 1000


class Robustness(TrainedNetsStudy):
    quick = Settings(
        models=("convnet[first_layer_filters=16,narrowing=8,pooling=[max,average,convolution]]",),
        dataset="cifar10",
        protocol="quick",
        overrides={"image_size": "32", "train_examples": "2000", "epochs": "6"},
        vary="augmentation=[],[flip,crop]",
        keep_weights=True,
        timed=False,
    )
    full = Settings(
        models=("convnet[pooling=[max,average,stride,convolution]]",),
        dataset="cifar10",
        protocol="standard",
        overrides={"image_size": "32", "epochs": "30"},
        vary="augmentation=[],[flip,crop]",
        seeds=(0, 1, 2, 3, 4),
        keep_weights=True,
        timed=False,
        images=10_000,
    )
    columns = (
        Column("label", "net", format=None),
        Column("change", "of the images", format=None),
        Column("strength", "of the change", format=None),
        Column("accuracy", "on changed test images", format=None),
        Column("consistency", "part of the images whose answer does not change", format=None),
        Column("correct", "whether each answer is right", format=None),
        Column("unchanged", "whether each answer is that to the image itself", format=None),
    )
    note = (
        "Accuracy on test images under each change, mean over the seeds, by what halves the maps "
        "and by augmentation. Units: pixels of shift and blur, degrees of rotation, factors of "
        "scale, brightness and saturation; of noise the standard deviation, pixels being 0 to 1."
    )

    @torch.no_grad()
    def examine(self, run: TrainedRun, settings: Settings) -> pd.DataFrame:
        """One row for each change and strength, and one for the images themselves."""
        mean, std = run.dataset.mean, run.dataset.std
        net, size = run.net(), run.spec.protocol.image_size
        # Spread over the test set, which may be sorted by class
        chosen = torch.linspace(0, len(run.dataset.test_labels) - 1, settings.images).long()
        images = resize(run.dataset.test_images[chosen], size).to(run.data.device).float() / 255
        labels = run.dataset.test_labels[chosen]

        def answers(images: Tensor) -> np.ndarray:
            batches = F.normalize(images, list(mean), list(std)).split(250)
            return torch.cat([net(batch).argmax(1).cpu() for batch in batches]).numpy()

        itself, rows = answers(images), []
        for name, strength, others in changed(images, list(mean)):
            given = answers(others)
            correct, unchanged = given == labels.numpy(), given == itself
            rows.append((name, strength, correct.mean(), unchanged.mean(), correct, unchanged))
        names = [column.name for column in self.columns[1:]]
        augmented = "+".join(run.spec.protocol.augmentation) or PLAIN
        return pd.DataFrame(rows, columns=names).assign(augmentation=augmented)

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Whether pooling buys consistency, and what augmentation buys."""
        nets = self._nets(rows)
        strided = next((each for each in ("convolution", "stride") if (each, PLAIN) in nets), "")
        pooled = ("max", PLAIN), (strided, PLAIN), "unchanged"
        augmented = ("max", AUGMENTED), ("max", PLAIN), "correct"
        shift, rotation = ("shift", SHIFT), ("rotation", ANGLE)
        positive, about_none = {"at_least": 0}, {"at_least": -1, "at_most": 1}
        found = []
        for claim, (a, b, column), condition, bounds in (
            (f"Max pooling buys invariance to shifts of {SHIFT} px", pooled, shift, positive),
            (f"It buys none to rotations by {ANGLE}°", pooled, rotation, about_none),
            (f"Augmentation by shifts helps against {SHIFT} px", augmented, shift, positive),
            (f"It helps against rotations by {ANGLE}° too", augmented, rotation, positive),
        ):
            if {a, b} <= nets.keys():
                interval = _difference(rows, column, condition, (nets[a], nets[b]))
                figure = f"{WORDS[column]}: {', '.join(a)} less {', '.join(b)}"
                found.append(
                    Verdict.of(claim, figure, interval, scale=100, unit="points", **bounds)
                )
        return found

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Mean accuracy under every change, a column for each net."""
        named = rows["change"] + " " + rows["strength"].map("{:g}".format)
        wide = rows.assign(change=named).pivot_table("accuracy", "change", "label", sort=False)
        wide = wide.rename(index={"none 0": "none"}).map("{:.3f}".format)
        nets = self._nets(rows)
        return pd.DataFrame({", ".join(net): wide[nets[net]] for net in nets}).reset_index()

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """A panel a change: accuracy against strength, a line for each net; mean over the seeds."""
        kinds = [name for name in CHANGES if (rows["change"] == name).any()]
        figure, panels = plt.subplots(
            2, -(-len(kinds) // 2), figsize=(14, 7), sharey=True, squeeze=False
        )
        nets = self._nets(rows)
        colors = {pooling: f"C{n}" for n, pooling in enumerate(dict.fromkeys(p for p, _ in nets))}
        for axes, name in zip(panels.flat, kinds, strict=False):
            for (pooling, augmentation), label in nets.items():
                own = rows[(rows["label"] == label) & rows["change"].isin([name, "none"])]
                strengths = own["strength"].where(own["change"] == name, NEUTRAL.get(name, 0.0))
                means = own["accuracy"].groupby(strengths).mean()
                style = {"color": colors[pooling], "ls": "-" if augmentation == PLAIN else "--"}
                text = f"{pooling}, {'augmented' if augmentation != PLAIN else 'as they are'}"
                axes.plot(means.index, means, marker="o", ms=4, label=text, **style)
            unit = CHANGES[name].unit
            axes.set_title(f"{name} ({unit})" if unit else name, loc="left")
        for axes in panels.flat[len(kinds) :]:
            axes.set_axis_off()
        panels[0, 0].set_ylabel("accuracy")
        figure.legend(
            *panels.flat[0].get_legend_handles_labels(), loc="outside lower left", ncols=4
        )
        return figure

    def _nets(self, rows: pd.DataFrame) -> dict[tuple[str, str], str]:
        """The labels by pooling and augmentation, in order."""
        keys = zip(self.option(rows, "pooling"), rows["augmentation"], strict=True)
        nets = dict(zip(keys, rows["label"], strict=True))
        return {net: nets[net] for net in sorted(nets, key=lambda net: (net[0], net[1] != PLAIN))}


def _difference(
    rows: pd.DataFrame, column: str, condition: tuple[str, float], labels: tuple[str, str]
) -> Interval:
    """What is true of the answers of one net less of another's, under one change."""
    own = rows[(rows["change"] == condition[0]) & (rows["strength"] == condition[1])]
    table = Accuracies.of({name: np.stack([*of[column]]) for name, of in own.groupby("label")})
    return difference(table, *labels).interval
