"""What a net can see against what it looks at: theoretical and effective receptive field.

Nets as they are initialised, before any training, on real images of Fashion-MNIST: the gradient of
the central position of the last map (Luo et al., 2016), and the square it could depend on.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

import datamodules
import lit_models
from benchmarks import studies
from benchmarks.errors import UsageError
from benchmarks.machine import environment
from benchmarks.planning.plan import code_digest, digest
from benchmarks.records.record import identity, now
from benchmarks.records.storage import quarantine, write_atomic
from benchmarks.report import plots
from benchmarks.training.initialisation import initialise
from datamodules.datamodule import DeviceResidentDataModule

MODELS = (
    *("lenet", "alexnet", "vgg11", "nin"),
    *("googlenet", "densenet", "resnet18", "efficientnet_b0"),
)
SETTINGS = {"dataset": "fashion_mnist", "image_size": 224, "images": 64, "init": "lsuv", "seed": 0}
BOX = ["first_row", "last_row", "first_column", "last_column"]


def run(folder: Path, device: str, force: bool = False, data_dir: Path = Path("data")) -> str:
    """Measure, unless measured already, write `results.csv`, `maps.npz` and what is drawn of them.

    Returns:
        The table in markdown.

    Raises:
        DataError: the dataset is not to be had.
    """
    dataset = datamodules.load(SETTINGS["dataset"], data_dir)
    nets = [lit_models.entry(model).module for model in MODELS]
    measuring = [
        "lit_models.analysis.receptive_field.graph",
        "lit_models.analysis.effective_receptive_field",
    ]
    code = code_digest([__name__, "benchmarks.training.initialisation", *measuring, *nets])
    where = [device, torch.__version__, identity(folder.parents[1])]
    key = digest([MODELS, SETTINGS, dataset.digest, code, *where])[:16]
    if force or not studies.is_measured(folder, key):
        rows, maps = measure(dataset, torch.device(device))
        packed = io.BytesIO()
        np.savez_compressed(packed, **maps)
        write_atomic(folder / "maps.npz", packed.getvalue())
        write_atomic(folder / "results.csv", rows.assign(key=key).to_csv(index=False))
    return rebuild(folder)


def rebuild(folder: Path) -> str:
    """Write `table.md` and `plots/` from `results.csv` and `maps.npz`; returns the table."""
    rows = studies.rows_of(folder)
    try:
        with np.load(io.BytesIO((folder / "maps.npz").read_bytes())) as maps:
            figure = plots.effective_receptive_field(rows, maps)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        quarantine(folder / "maps.npz", error)
        raise UsageError(
            f"{folder} cannot be drawn; `make study STUDY={folder.name} FORCE=1` measures anew"
        ) from None
    plots.save(figure, folder / "plots" / "effective_receptive_field.png")
    markdown = table(rows)
    write_atomic(folder / "table.md", markdown + "\n")
    return markdown


def measure(
    dataset: datamodules.ImageDataset, device: torch.device
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """One row a model, and for each its map (H, W) in half precision, the largest weight 1."""
    data = DeviceResidentDataModule(
        dataset,
        device,
        image_size=SETTINGS["image_size"],
        batch_size=SETTINGS["images"],
        train_examples=SETTINGS["images"],
    )
    images, _ = next(iter(data.train_dataloader()))
    shape = {"image_size": SETTINGS["image_size"], "in_channels": dataset.channels}
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
        rows.append(row | stamp | {"finished_at": now()})
        maps[model] = (effective.weights / effective.weights.max()).numpy().astype(np.float16)
    return pd.DataFrame(rows), maps


@torch.no_grad()
def _calibrate(net: nn.Module, images: Tensor) -> None:
    """Give batch normalisation the statistics of these images: eval mode then acts as training."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # an average over all batches, here of one
    net.eval()
    for norm in norms:
        norm.train()
    net(images)


def table(rows: pd.DataFrame) -> str:
    """The measurements in markdown, and under them what they rest on."""
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
        "In pixels. Theoretical size: side of the square the central position of the last map may "
        "depend on, which may reach beyond the image. Radius: of the circle around it that holds "
        "half, or 95 %, of its absolute gradient inside the image, averaged over {images} training "
        "images of {image_size} px. Nets as initialised ({init}, seed {seed}), not trained; batch "
        "normalisation with the statistics of these images. "
        "{data_source}; device: {device}; torch {torch_version}; commit: {commit}; "
        "finished: {finished_at}."
    ).format(**first)
    return f"{shown.to_markdown(index=False, disable_numparse=True)}\n\n{caption}"
