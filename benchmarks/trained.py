"""Trained nets: loaded from the weights that a run left, and asked about images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from benchmarks.errors import UsageError
from benchmarks.records.artifacts import weights_path
from benchmarks.records.store import read
from benchmarks.training import weights
from benchmarks.training.weights import TrainedNet
from datamodules import DataError
from datamodules.sources.image_folder import SUFFIXES
from datamodules.transforms import resize
from lit_models import CLASSIFICATION


@dataclass(frozen=True)
class Prediction:
    """The class that a net sees in an image; `confidence` is its softmax."""

    path: Path
    name: str
    confidence: float


def load(path: Path) -> tuple[nn.Module, TrainedNet]:
    """The trained net of a run in eval mode, on the CPU, and its description.

    Args:
        path: a record, `runs/<run>.json`, or weights, `weights/<run>.safetensors`.

    Raises:
        ModelError: the net cannot be built here.
        UsageError: no such file, another kind of file, a damaged one, or other weights.
    """
    if path.suffix != ".json":
        return weights.load(path)
    record = read(path) if path.is_file() else None
    if record is None:
        raise UsageError(f"no record in {path}")
    if record.scores.weights_digest is None:
        raise UsageError(f"the run of {path} left no weights: {record.error or record.status}")
    file = weights_path(path)
    if not file.exists():
        raise UsageError(
            f"{file} is not here: weights are not in git, and --keep-weights false leaves none; "
            f"train {record.setup.model} again with --force"
        )
    return weights.load(file, record.scores.weights_digest)


def predict(record: Path, paths: Iterable[Path]) -> Iterator[Prediction | DataError]:
    """Classify image files, resized and normalised as in training.

    Args:
        record: as in `load`.
        paths: image files, and folders of such, which are searched as a whole.

    Returns:
        A prediction for each image, or the error that names an unreadable one.

    Raises:
        UsageError: as in `load`, or a net for segmentation.
    """
    net, about = load(record)
    if about.task != CLASSIFICATION:
        raise UsageError(f"{about.model} is for {about.task}; predict is for classification")
    for path in _files(paths):
        try:
            pixels = _read_image(path, "L" if about.in_channels == 1 else "RGB")
        except DataError as error:
            yield error
            continue
        confidence, index = _classify(net, about, pixels)
        yield Prediction(path, about.classes[index], confidence)


def _read_image(path: Path, mode: str) -> Tensor:
    """The pixels of an image file, uint8 (C, H, W)."""
    try:
        with Image.open(path) as image:
            pixels = np.array(ImageOps.exif_transpose(image).convert(mode))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise DataError(f"{path} is not a readable image") from None
    return torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1)


@torch.inference_mode()
def _classify(net: nn.Module, about: TrainedNet, pixels: Tensor) -> tuple[float, int]:
    """Confidence and index of the class of an image, uint8 (C, H, W)."""
    height, width = pixels.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[None, :, top : top + side, left : left + side]
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (about.mean, about.std))
    images = resize(square, about.image_size).float() / 255
    confidence, index = net((images - mean) / std).softmax(1).max(1)
    return float(confidence), int(index)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not found:
            raise UsageError(f"no image files in {path}")
        yield from found
