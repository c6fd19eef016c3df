"""What a run leaves beside its record: its predictions, and where its weights lie.

`predictions/<run>.npz` holds, for each evaluated image in the dataset's order, the predicted class,
its confidence and the true class; for segmentation the confusion matrix of all pixels.
"""

import hashlib
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from benchmarks.planning.fingerprint import digest
from benchmarks.records.storage import quarantine, reason, write_atomic

if TYPE_CHECKING:
    from benchmarks.planning.plan import RunSpec
    from benchmarks.records.parts import Setup
    from benchmarks.records.record import RunRecord


@dataclass(frozen=True, eq=False)
class Labels:
    """The true classes of the evaluated images: `true` (n,), and the names of all classes."""

    true: ndarray
    classes: tuple[str, ...]

    @property
    def digest(self) -> str:
        return _digest({"labels": self.true})

    @property
    def _arrays(self) -> dict[str, ndarray]:
        return {"labels": self.true, "classes": np.array(self.classes)}


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a trained net made of the evaluated images.

    Classification: `predicted` (n,), uint8, or uint16 above 256 classes, and `confidence` (n,),
    float16, the softmax of the predicted class. Segmentation: `confusion` (classes, classes),
    int64, pixels by true class (row) and predicted class (column), and no labels.
    """

    predicted: ndarray | None = None
    confidence: ndarray | None = None
    confusion: ndarray | None = None
    labels: Labels | None = None

    @classmethod
    def of(
        cls, predicted: ndarray, confidence: ndarray, true: ndarray, classes: tuple[str, ...]
    ) -> "Predictions":
        """The predictions in the types in which they are kept."""
        kind = np.uint8 if len(classes) <= 256 else np.uint16
        labels = Labels(true.astype(kind), classes)
        return cls(predicted.astype(kind), confidence.astype(np.float16), labels=labels)

    @property
    def digest(self) -> str:
        return _digest(self._arrays)

    @property
    def correct(self) -> ndarray:
        """Whether each image was classified correctly: bool (n,).

        Raises:
            ValueError: predictions of a segmentation.
        """
        if self.predicted is None or self.labels is None:
            raise ValueError("a segmentation has no prediction an image")
        return self.predicted == self.labels.true

    @property
    def _arrays(self) -> dict[str, ndarray]:
        arrays = {name: getattr(self, name) for name in ("predicted", "confidence", "confusion")}
        return {name: array for name, array in arrays.items() if array is not None}


def run_stem(run: "RunSpec | Setup") -> str:
    """The start of the names of the files of a model and seed, whatever the key."""
    # A name may be torchvision/resnet18 or convnet[first_layer_filters=8].
    model = re.sub(r"[^\w.=,-]+", "-", run.model.rstrip("]"), flags=re.ASCII)
    if len(model) > 100:  # a file system limits the length of a name
        model = f"{model[:80]}-{digest(run.model)[:8]}"
    return f"{model}-seed{run.seed}"


def run_name(run: "RunSpec | Setup") -> str:
    """The name of the files of a run, without suffix."""
    return f"{run_stem(run)}-{run.key}"


def weights_path(record_or_checkpoint: Path) -> Path:
    """The file of the trained weights of the run that has this record, or this checkpoint."""
    folder = record_or_checkpoint.parent.parent / "weights"
    return folder / f"{record_or_checkpoint.stem}.safetensors"


def write_predictions(folder: Path, name: str, predictions: Predictions) -> None:
    """Write the predictions of a run.

    Args:
        folder: of the comparison.
        name: of the run's files.

    Raises:
        OSError: the file cannot be written.
    """
    arrays = predictions._arrays | (predictions.labels._arrays if predictions.labels else {})
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomic(predictions_path(folder, name), buffer.getvalue())


def read_predictions(folder: Path, record: "RunRecord") -> Predictions | None:
    """The predictions of a run; None if it left none.

    A missing file is named, and a damaged one is named and set aside; both count as none.
    """
    scores = record.scores
    if scores.predictions_digest is None:
        return None
    path = predictions_path(folder, run_name(record.setup))
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        labels = None
        if scores.labels_digest is not None:
            labels = Labels(arrays.pop("labels"), tuple(map(str, arrays.pop("classes"))))
        predictions = Predictions(**arrays, labels=labels)
        digests = predictions.digest, labels.digest if labels else None
        if digests != (scores.predictions_digest, scores.labels_digest):
            raise ValueError("its content is not that of the record")
        return predictions
    except OSError as error:
        print(f"benchmarks: {path} cannot be read: {reason(error)}", file=sys.stderr)
    except Exception as error:  # zipfile and numpy have many for a damaged archive
        quarantine(path, error)
    return None


def predictions_path(folder: Path, name: str) -> Path:
    """The file of the predictions of a run, by the folder of the comparison and `run_name`."""
    return folder / "predictions" / f"{name}.npz"


def _digest(arrays: dict[str, ndarray]) -> str:
    hashed = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        hashed.update(f"{name} {array.dtype.str} {array.shape}".encode())
        hashed.update(array.tobytes())
    return hashed.hexdigest()[:16]
