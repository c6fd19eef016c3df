"""The record a run leaves, and the folder of them as a pandas frame."""

import json
import os
import sys
import uuid
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

import lit_models
from benchmarks.plan import RunSpec

OK, FAILED = "ok", "failed"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(kw_only=True)
class RunRecord:
    """All a run leaves behind; each field up to `finished_at` is a column of the results CSV.

    Accuracies are of examples, or, for segmentation, of pixels. Rates are examples a second,
    `fit_seconds` the whole of the training, `peak_memory_mb` MiB, `train_flops` all FLOPs of the
    training. `made_in` is the identity of the results folder the run was made for. `history` has an
    entry an epoch.
    """

    model: str
    dataset: str
    task: str = lit_models.CLASSIFICATION
    protocol: str
    seed: int
    status: str = OK
    error: str | None = None
    parameters: int | None = None
    macs: int | None = None
    loss: float | None = None
    train_accuracy: float | None = None
    test_accuracy: float | None = None
    validation_accuracy: float | None = None
    test_mean_iou: float | None = None
    validation_mean_iou: float | None = None
    examples_per_sec: float | None = None
    step_examples_per_sec: float | None = None
    loop_efficiency: float | None = None
    peak_memory_mb: float | None = None
    train_flops: float | None = None
    fit_seconds: float | None = None
    image_size: int
    batch_size: int
    epochs: int
    train_examples: int | None
    precision: str
    memory_format: str
    device: str
    torch_version: str | None = None
    lightning_version: str | None = None
    torchvision_version: str | None = None
    python_version: str | None = None
    commit: str | None = None
    data_source: str | None = None
    key: str
    protocol_digest: str
    data_digest: str
    made_in: str | None = None
    finished_at: str = field(default_factory=now)
    settings: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def of(cls, spec: RunSpec, **values: Any) -> "RunRecord":
        """A record of this run; what the spec knows need not be given."""
        settings = asdict(spec.protocol)
        known = {
            "model": spec.model,
            "dataset": spec.dataset,
            "task": spec.task,
            "protocol": spec.protocol_name,
            "seed": spec.seed,
            "device": spec.device,
            "key": spec.key,
            "protocol_digest": spec.protocol_digest,
            "data_digest": spec.data_digest,
            "settings": settings,
        }
        shared = {f.name for f in fields(cls)} & settings.keys()
        return cls(**{**{name: settings[name] for name in shared}, **known, **values})


NESTED = ("settings", "history")
COLUMNS = [f.name for f in fields(RunRecord) if f.name not in NESTED]


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}.part")
    scratch.write_text(text)
    os.replace(scratch, path)


def identity(results: Path) -> str:
    """What tells this results folder from its clones: a name in a file git ignores."""
    path = results / ".identity"
    if not path.exists():
        write_whole(path, uuid.uuid4().hex)
    return path.read_text()


class RecordStore:
    """The records of a results folder: `<dataset>/<protocol>/runs/*.json`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, spec: RunSpec) -> Path:
        name = f"{spec.model}-seed{spec.seed}-{spec.key}.json"
        return self.root / spec.folder / "runs" / name

    def write(self, spec: RunSpec, record: RunRecord) -> None:
        """Write a record so that it is there whole or not at all."""
        path = self.path(spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        record.made_in = identity(self.root)
        write_whole(path, json.dumps(asdict(record), indent=1) + "\n")

    def find(self, spec: RunSpec) -> RunRecord | None:
        """The record of this run, if it left one."""
        path = self.path(spec)
        return _read(path) if path.exists() else None

    def finished(self, spec: RunSpec) -> RunRecord | None:
        """The record of this run, if it ended well in this folder.

        A record that came with the code was measured on another machine: it is no reason not to
        run, and gives way to the run's own.
        """
        record = self.find(spec)
        if record and record.status == OK and record.made_in == identity(self.root):
            return record
        return None

    def folders(self) -> list[Path]:
        """The comparisons that have records."""
        return sorted({path.parent.parent for path in self.root.glob("*/*/runs/*.json")})


def load(folder: Path) -> list[RunRecord]:
    """The records of one comparison, by model and seed; unreadable ones are named and left out."""
    records = [_read(path) for path in sorted((folder / "runs").glob("*.json"))]
    return sorted((r for r in records if r is not None), key=lambda r: (r.model, r.seed))


def frame(records: list[RunRecord]) -> pd.DataFrame:
    """One row a run."""
    return pd.DataFrame([asdict(r) for r in records], columns=COLUMNS)


def curves(records: list[RunRecord]) -> pd.DataFrame:
    """One row an epoch of a run."""
    columns = ["model", "task", "seed", "epoch", "loss", "train_accuracy", "key"]
    rows = [
        {"model": r.model, "task": r.task, "seed": r.seed, "key": r.key, **epoch}
        for r in records
        for epoch in r.history
    ]
    return pd.DataFrame(rows, columns=columns)


def _read(path: Path) -> RunRecord | None:
    try:
        return RunRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        print(f"benchmarks: {path} is no readable record, left out ({error})", file=sys.stderr)
        return None
