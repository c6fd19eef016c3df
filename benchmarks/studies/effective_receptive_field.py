"""Which of the pixels that a net can see does it weigh, before any training?

The theoretical receptive field is the square that the central position of the last map can depend
on. The effective one is the gradient of that position (Luo et al., 2016), here on real images.
"""

from dataclasses import dataclass
from typing import Literal

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure

import datamodules
import lit_models
from benchmarks.analysis.intervals import over_seeds
from benchmarks.errors import UsageError
from benchmarks.planning.checks import check_dataset
from benchmarks.planning.fingerprint import imported_digest
from benchmarks.planning.protocol import Count
from benchmarks.report.style import look
from benchmarks.studies.base import Column, Context, Study, Verdict, by_model, fields
from benchmarks.training.initialisation import initialise
from datamodules import DatasetRequest, ImageDataset
from datamodules.datamodule import ImageDataModule
from lit_models.analysis.effective_receptive_field import (
    calibrate_batch_norm,
    effective_receptive_field,
)


@dataclass(frozen=True)
class Settings:
    """Nets as initialised, and the training images on which their gradients are averaged."""

    models: tuple[str, ...] = (
        *("lenet", "alexnet", "vgg11", "nin"),
        *("googlenet", "densenet", "resnet18", "efficientnet_b0"),
    )
    dataset: str = "fashion_mnist"
    image_size: Count = 224
    images: Count = 64
    init: Literal["default", "xavier", "lsuv"] = "lsuv"
    seed: int = 0


class EffectiveReceptiveField(Study):
    quick = Settings()
    full = Settings(images=512)
    part = "model"
    columns = (
        Column("model", "name of the net"),
        Column("image_size", "height and width of the images", "px"),
        *fields.COLUMNS,
    )
    note = "Batch normalisation has the statistics of these images."

    def parts(self, settings: Settings) -> dict[str, Settings]:
        """A part for each net."""
        check_dataset(settings.dataset)
        return by_model(settings, datamodules.task(settings.dataset))

    def inputs(self, settings: Settings, context: Context) -> list[object]:
        """The data, and the code of the net."""
        nets = [lit_models.entry(name).module for name in settings.models]
        dataset = _load(settings, context)
        return [dataset.digest, imported_digest(nets)]

    def measure(self, settings: Settings, context: Context) -> pd.DataFrame:
        """One row: the field of one net, and the gradient in half precision."""
        (model,), device = settings.models, torch.device(context.device)
        dataset = _load(settings, context)
        size = settings.image_size
        data = ImageDataModule(
            dataset,
            device,
            image_size=size,
            batch_size=settings.images,
            train_examples=settings.images,
        )
        images, _ = next(iter(data.train_dataloader()))
        torch.manual_seed(settings.seed)
        shape = {"image_size": size, "in_channels": dataset.channels}
        net = lit_models.build(model, num_classes=len(dataset.classes), **shape).to(device)
        initialise(net, settings.init, images)
        calibrate_batch_norm(net, images)
        row = {
            "model": model,
            **fields.as_row(effective_receptive_field(net, images)),
            "data_source": dataset.source,
        }
        return pd.DataFrame([row])

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Whether the half of the gradient lies in less than half of the field, over the nets."""
        area = over_seeds(rows["area_of_half"])
        return [
            Verdict(
                "The centre of the receptive field matters most",
                f"Part of the field that holds half of the gradient, mean of {len(rows)} nets",
                *(area.estimate, area.low, area.high),
                at_most=0.5,
            )
        ]

    @look(**{"axes.grid": False, **fields.ON_DARK})
    def plot(self, rows: pd.DataFrame) -> Figure:
        """A panel a net, as large as its theoretical field; grey: outside the image."""
        rows = rows.sort_values("theoretical_size", kind="stable")
        columns = min(4, len(rows))
        lines = -(-len(rows) // columns)
        size = (3 * columns + 1, 3.3 * lines + 0.6)
        figure, panels = plt.subplots(lines, columns, figsize=size, squeeze=False)
        for axes, row in zip(panels.flat, rows.itertuples(), strict=False):
            picture = fields.draw(axes, row)
            axes.set_title(f"{row.model}, {row.theoretical_size} px", loc="left")
        for axes in panels.flat[len(rows) :]:
            axes.set_axis_off()
        figure.legend(handles=panels[0, 0].patches, loc="outside lower left", ncols=3)
        figure.colorbar(picture, ax=panels, label="gradient, its maximum = 1", shrink=0.8)
        return figure


def _load(settings: Settings, context: Context) -> ImageDataset:
    """The dataset; images of one's own are decoded at the size that the nets take.

    Raises:
        UsageError: it has fewer training images than asked for.
    """
    request = DatasetRequest(settings.dataset, image_size=settings.image_size)
    dataset = datamodules.load(request, context.data_dir)
    if (count := len(dataset.train_labels)) < settings.images:
        raise UsageError(f"setting images: {dataset.name} has {count:,} to train on")
    return dataset
