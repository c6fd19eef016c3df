"""Theoretical against effective receptive field: the pixels a net can see and those it weighs.

Nets as initialised, before any training, on real images of Fashion-MNIST: the square that the
central position of the last map can depend on, and its gradient (Luo et al., 2016).
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import Tensor, nn

import datamodules
import lit_models
from benchmarks.errors import UsageError
from benchmarks.machine import environment
from benchmarks.planning.fingerprint import imported_digest
from benchmarks.records.storage import quarantine, write_atomic
from benchmarks.report.style import look
from benchmarks.studies import base
from benchmarks.training.initialisation import initialise
from datamodules.datamodule import DeviceResidentDataModule

MODELS = (
    *("lenet", "alexnet", "vgg11", "nin"),
    *("googlenet", "densenet", "resnet18", "efficientnet_b0"),
)
SETTINGS: dict[str, Any] = {
    **{"dataset": "fashion_mnist", "image_size": 224, "images": 64},
    **{"init": "lsuv", "seed": 0},
}
BOX = ["first_row", "last_row", "first_column", "last_column"]
ON_DARK = {"legend.frameon": True, "legend.facecolor": "0.2", "legend.labelcolor": "white"}


def run(folder: Path, device: str, force: bool = False, data_dir: Path = Path("data")) -> str:
    """Write `results.csv` and `maps.npz` unless that is done, then rebuild.

    Raises:
        DataError: the dataset cannot be loaded.
    """
    dataset = datamodules.load(SETTINGS["dataset"], data_dir)
    nets = [lit_models.entry(model).module for model in MODELS]
    measuring = "lit_models.analysis.effective_receptive_field"
    code = imported_digest(["benchmarks.training.initialisation", measuring, *nets])
    inputs = [MODELS, SETTINGS, dataset.digest, base.code_digest(__file__), code, device]

    def measure_and_keep_maps() -> pd.DataFrame:
        rows, maps = measure(dataset, torch.device(device))
        packed = io.BytesIO()
        np.savez_compressed(packed, **maps)
        write_atomic(folder / "maps.npz", packed.getvalue())
        return rows

    base.measure_once(folder, inputs, measure_and_keep_maps, force=force)
    return rebuild(folder)


def rebuild(folder: Path) -> str:
    """Write `table.md` and `plots/` from `results.csv` and `maps.npz`; returns the table."""

    def plot_with_maps(rows: pd.DataFrame) -> Figure:
        try:
            with np.load(io.BytesIO((folder / "maps.npz").read_bytes())) as maps:
                return plot(rows, maps)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            quarantine(folder / "maps.npz", error)
            raise UsageError(
                f"{folder} cannot be drawn; `make study STUDY={folder.name} FORCE=1` measures again"
            ) from None

    return base.rebuild(folder, plot_with_maps, table)


def measure(
    dataset: datamodules.ImageDataset, device: torch.device
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One row a model, and the map (H, W) of each in half precision, its maximum 1."""
    size, count = SETTINGS["image_size"], SETTINGS["images"]
    data = DeviceResidentDataModule(
        dataset, device, image_size=size, batch_size=count, train_examples=count
    )
    images, _ = next(iter(data.train_dataloader()))
    shape = {"image_size": size, "in_channels": dataset.channels}
    stamp = {**environment.describe(device), **SETTINGS, "data_source": dataset.source}
    rows, maps = [], {}
    for model in MODELS:
        torch.manual_seed(SETTINGS["seed"])
        net = lit_models.build(model, num_classes=len(dataset.classes), **shape).to(device)
        initialise(net, SETTINGS["init"], images)
        _calibrate(net, images)
        effective = lit_models.effective_receptive_field(net, images)
        row = {
            "model": model,
            "layer": effective.field.name,
            "theoretical_size": effective.field.size,
            "sees_all": effective.field.sees_all,
            "radius_half": effective.radius(0.5),
            "radius_95": effective.radius(0.95),
            **dict(zip(BOX, effective.box, strict=True)),
        }
        rows.append(row | stamp)
        maps[model] = (effective.weights / effective.weights.max()).numpy().astype(np.float16)
    return pd.DataFrame(rows), maps


@torch.no_grad()
def _calibrate(net: nn.Module, images: Tensor) -> None:
    """Set the statistics of batch normalisation to those of these images, for eval mode."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean over all batches, here of one
    net.eval()
    for norm in norms:
        norm.train()
    net(images)


@look(**{"axes.grid": False, **ON_DARK})
def plot(rows: pd.DataFrame, maps: Mapping[str, Any]) -> Figure:
    """The map of each model in a panel as large as the theoretical field; grey: outside the image.

    Args:
        rows: the measurements.
        maps: an (H, W) array for each model, its maximum 1.
    """
    rows = rows.sort_values("theoretical_size", kind="stable")
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    size = (3 * columns + 1, 3.3 * lines + 0.6)
    figure, panels = plt.subplots(lines, columns, figsize=size, squeeze=False)
    for axes, row in zip(panels.flat, rows.itertuples(), strict=False):
        image = maps[row.model].astype(np.float32)
        extent = (0, image.shape[1], image.shape[0], 0)
        picture = axes.imshow(image, norm=PowerNorm(0.5, 0, 1), cmap="magma", extent=extent)
        corner, side = (row.first_column, row.first_row), row.theoretical_size
        centre = (corner[0] + side / 2, corner[1] + side / 2)
        for patch in (
            Rectangle(corner, side, side, ls="--", color="white", label="theoretical field"),
            Circle(centre, row.radius_half, color="C9", label="half of the gradient"),
            Circle(centre, row.radius_95, color="C2", label="95 % of the gradient"),
        ):
            patch.set(fill=False, lw=2)
            axes.add_patch(patch)
        view = 0.54 * side
        axes.set_xlim(centre[0] - view, centre[0] + view)
        axes.set_ylim(centre[1] + view, centre[1] - view)
        axes.set_facecolor("0.4")
        axes.set_title(f"{row.model}, {side} px", loc="left")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for axes in panels.flat[len(rows) :]:
        axes.set_axis_off()
    figure.legend(handles=panels[0, 0].patches, loc="outside lower left", ncols=3)
    figure.colorbar(picture, ax=panels, label="gradient, its maximum = 1", shrink=0.8)
    return figure


def table(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The measurements, and their conditions in words."""
    shown = pd.DataFrame(
        {
            "model": rows["model"],
            "image size": rows["image_size"],
            "theoretical size": rows["theoretical_size"],
            "radius, half": rows["radius_half"].map("{:.1f}".format),
            "radius, 95 %": rows["radius_95"].map("{:.1f}".format),
        }
    )
    first = rows.iloc[0]
    caption = (
        "In pixels. Theoretical size: side of the square that the central position of the last "
        "map can depend on; it may extend beyond the image. Radius: of the circle around its "
        "centre that holds half, or 95 %, of the absolute gradient inside the image, averaged over "
        "{images} training images of {image_size} px. Nets as initialised ({init}, seed {seed}), "
        "not trained; batch normalisation with the statistics of these images. "
        "{data_source}; device: {device}; torch {torch_version}; commit: {commit}; "
        "finished: {finished_at}."
    ).format(**first)
    return shown, caption
