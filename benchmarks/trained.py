"""Trained nets: loaded from the weights that a run left, and asked about images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.errors import UsageError
from benchmarks.records.artifacts import weights_path
from benchmarks.records.store import read
from benchmarks.training import weights
from benchmarks.training.weights import TrainedNet
from datamodules import DataError
from datamodules.sources import pixels
from datamodules.sources.image_folder import is_image_name
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
            image = _read_image(path, about)
        except DataError as error:
            yield error
            continue
        confidence, index = _classify(net, about, image)
        yield Prediction(path, about.classes[index], confidence)


def _read_image(path: Path, about: TrainedNet) -> Tensor:
    """The pixels of an image file as the net gets them, uint8 (C, H, W)."""
    try:
        decoded = pixels.decode(path.read_bytes(), about.image_size, about.fit).pixels
    except (OSError, pixels.ImageError) as error:
        raise DataError(f"{path} is not a readable image ({error})") from None
    image = np.array(Image.fromarray(decoded).convert("L" if about.in_channels == 1 else "RGB"))
    return torch.from_numpy(np.atleast_3d(image)).permute(2, 0, 1)


@torch.inference_mode()
def _classify(net: nn.Module, about: TrainedNet, image: Tensor) -> tuple[float, int]:
    """Confidence and index of the class of an image, uint8 (C, H, W)."""
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (about.mean, about.std))
    confidence, index = net((image[None] / 255 - mean) / std).softmax(1).max(1)
    return float(confidence), int(index)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.rglob("*") if is_image_name(file.name))
        if not found:
            raise UsageError(f"no image files in {path}")
        yield from found
