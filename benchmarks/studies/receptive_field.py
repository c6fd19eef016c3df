"""Does a larger receptive field make a net better, and what does training do to it?

Nets of equal cost on CIFAR-10, whose last two convolutions are dilated so that the fields of their
last map differ; an average over that map is all that the classifier sees. The theoretical field is
the square that a position can depend on, the effective one the gradient of the central position (W.
Luo et al., "Understanding the Effective Receptive Field", 2016): by layer, before and after.
"""

from dataclasses import dataclass
from itertools import islice

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn

from benchmarks.analysis.intervals import error_bars, over_seeds
from benchmarks.planning.protocol import Count
from benchmarks.report.style import look
from benchmarks.studies.base import (
    Column,
    TrainedNetsStudy,
    TrainedRun,
    TrainingSettings,
    Verdict,
    fields,
)
from lit_models.analysis.effective_receptive_field import effective_receptive_field

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """The sweep, and the training images over which gradients are averaged."""

    images: Count = 64


class ReceptiveField(TrainedNetsStudy):
    # At 48 px the fields, 29 to 61 px, are from half the image to more than all of it.
    quick = Settings(
        models=("convnet[first_layer_filters=16,head=average,narrowing=8,dilation=[1,2,3]]",),
        dataset="cifar10",
        protocol="quick",
        overrides={"image_size": "48", "train_examples": "2000", "epochs": "5"},
        keep_weights=True,
        timed=False,
    )
    full = Settings(
        models=("convnet[head=average,dilation=[1,2,3,4,6]]",),
        dataset="cifar10",
        protocol="standard",
        overrides={"image_size": "64", "epochs": "20"},
        seeds=(0, 1, 2, 3, 4),
        keep_weights=True,
        timed=False,
        images=512,
    )
    columns = (
        Column("model", "name of the net"),
        Column("layer", "whose output has the field"),
        Column("when", "before or after the training"),
        *fields.COLUMNS,
    )
    note = "Mean over the seeds."

    def examine(self, run: TrainedRun, settings: Settings) -> pd.DataFrame:
        """The fields of all convolutions before and after training."""
        count = -(-settings.images // run.spec.protocol.batch_size)
        batches = islice(run.data.train_batches, count)
        images = torch.cat([images for images, _ in batches])[: settings.images]
        rows = []
        for when, net in ((BEFORE, run.untrained()), (AFTER, run.net())):
            layers = [name for name, each in net.named_modules() if isinstance(each, nn.Conv2d)]
            for depth, layer in enumerate(layers, 1):
                found = fields.as_row(effective_receptive_field(net, images, layer))
                rows.append({"when": when, "depth": depth, **found})
        return pd.DataFrame(rows)

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The centre, growth by training, accuracy against size, and what the size depends on."""
        last = self._last(rows)
        by_run = last.pivot(index="run", columns="when", values=["area_of_half", "radius_95"])
        sizes = last.groupby("model")["theoretical_size"].first().sort_values()
        found = [
            Verdict.of(
                "The centre of the receptive field matters most, after training too",
                f"Part of the field that holds half of the gradient, mean of {len(by_run)} runs",
                over_seeds(by_run["area_of_half", AFTER]),
                at_most=0.5,
            ),
            Verdict.of(
                "Training enlarges the effective receptive field",
                "Radius of 95 % of the gradient after training less that before",
                over_seeds(by_run["radius_95", AFTER] - by_run["radius_95", BEFORE]),
                at_least=0,
                unit="px",
            ),
        ]
        smallest, largest = sizes.index[0], sizes.index[-1]
        if smallest == largest:
            return found
        for model in sizes.index[1:]:
            claim = (
                "The larger the receptive field the better, without limit: "
                f"{sizes[model]:.0f} px against {sizes[smallest]:.0f} px"
            )
            found.append(self.better(self.trainings(rows), claim, model, smallest))
        return [
            *found,
            Verdict.exact(
                "The theoretical field depends on kernel sizes and strides alone",
                "Sides of the fields of the nets, whose kernels and strides are alike; the largest "
                "less the smallest",
                float(sizes[largest] - sizes[smallest]),
                at_least=0,
                at_most=0,
                unit="px",
            ),
        ]

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Means over the seeds, a row a net, layer and moment."""
        return super().table(_means(rows))

    @look(**{"axes.grid": False, **fields.ON_DARK})
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Gradients of the last maps, accuracy against the field, and radius by layer."""
        last = self._last(rows[rows["seed"] == rows["seed"].min()])
        last = last.sort_values("theoretical_size", kind="stable")
        nets = [*dict.fromkeys(last["model"])]
        figure = plt.figure(figsize=(3.2 * len(nets) + 5.5, 7))
        left, right = figure.subfigures(1, 2, width_ratios=(3.2 * len(nets), 5.5))
        panels = left.subplots(2, len(nets), squeeze=False)
        for line, when in zip(panels, (BEFORE, AFTER), strict=True):
            for axes, row in zip(line, last[last["when"] == when].itertuples(), strict=True):
                fields.draw(axes, row)
                axes.set_title(f"{when} training, {row.theoretical_size:.0f} px", loc="left")
        left.legend(handles=panels[0, 0].patches, loc="outside lower left", ncols=3)
        accuracy, radius = right.subplots(2, 1)
        sizes = last.groupby("model", sort=False)["theoretical_size"].first()
        found = [self.accuracy(self.trainings(rows), model) for model in nets]
        means = [each.estimate for each in found]
        accuracy.errorbar(sizes, means, error_bars(found), marker="o", capsize=4)
        size = int(rows["gradient"].iloc[0].shape[0])
        accuracy.axvline(size, color="0.6", ls="--", label=f"the image, {size} px")
        accuracy.set_title("test accuracy, 95 % interval", loc="left")
        accuracy.set_xlabel("side of the theoretical field (px)")
        for color, model in enumerate(nets):
            for when, style in ((BEFORE, "o--"), (AFTER, "o-")):
                own = _means(rows[(rows["model"] == model) & (rows["when"] == when)])
                text = f"{sizes[model]:.0f} px, {when}"
                radius.plot(own["depth"], own["radius_95"], style, c=f"C{color}", label=text)
        radius.set_title("radius of 95 % of the gradient (px)", loc="left")
        radius.set_xlabel("convolution")
        radius.set_xticks(sorted(rows["depth"].unique()))
        for axes in (accuracy, radius):
            axes.grid(True)
            axes.legend(frameon=False, labelcolor="black")
        return figure

    def _last(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of the last convolutions."""
        return rows[rows["depth"] == rows.groupby("run")["depth"].transform("max")]


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    by = ["model", "layer", "depth", "when"]
    figures = ["theoretical_size", "radius_half", "radius_95", "area_of_half"]
    return rows.groupby(by, sort=False)[figures].mean().reset_index()
