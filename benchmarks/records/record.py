"""The record a run leaves, and the folder of them as a pandas frame."""

import io
import json
import re
import sys
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

import lit_models
from benchmarks.planning.plan import SINGLE_DEVICE, RunSpec, digest
from benchmarks.records.storage import lock, quarantine, reason, scratch, write_atomic

# How a run ended: with numbers; with an error; with a loss that is not finite; by `--timeout`; by
# a signal from outside, such as that of the system when memory runs out.
OK, FAILED, DIVERGED, TIMEOUT, KILLED = "ok", "failed", "diverged", "timeout", "killed"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(kw_only=True)
class RunRecord:
    """All a run leaves behind; each field up to `finished_at` is a column of the results CSV.

    Accuracies are of examples, or, for segmentation, of pixels. Rates are examples a second:
    `examples_per_sec` of the training, `step_`, `textbook_` and `data_examples_per_sec` of the bare
    loop, the textbook's and the data alone (see benchmarks/loops.py), medians of the samples in
    `speeds`, and `reference_examples_per_sec` of a reference workload before and after the training
    (benchmarks/yardsticks.py); `relative_speed` is the first in terms of the last, and
    `reference_drift` how far that moved meanwhile, 0.05 being 5 %. `bound_by` says whether net,
    data or framework take most of the loop.

    `train_flops` are all FLOPs of the training, `flops_per_sec` those achieved, `utilisation` is
    their share of what the device does in a large product of matrices or a wide convolution.
    `peak_memory_mb` is MiB beyond what the process had before. `fit_seconds` are of the whole
    training; `import_seconds` and `first_step_seconds` from the decision to run to the end of the
    imports and to the first step, `compile_seconds` are those of torch.compile, which of the other
    figures only `first_step_seconds` contains.

    `micro_batches` are the parts in which a batch was taken because memory was short. `resumed`
    counts how often the training went on from a checkpoint, `jobs` how many runs shared the
    machine, `devices` are those of each of `num_nodes` machines. `weights_digest` is a hash of the
    trained weights. `made_in` is the identity of the results folder the run was made for. `history`
    has an entry an epoch.
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
    bound_by: str | None = None
    textbook_examples_per_sec: float | None = None
    data_examples_per_sec: float | None = None
    reference_examples_per_sec: float | None = None
    reference_drift: float | None = None
    relative_speed: float | None = None
    peak_memory_mb: float | None = None
    train_flops: float | None = None
    flops_per_sec: float | None = None
    utilisation: float | None = None
    fit_seconds: float | None = None
    import_seconds: float | None = None
    first_step_seconds: float | None = None
    compile_seconds: float | None = None
    weights_digest: str | None = None
    micro_batches: int = 1
    resumed: int = 0
    jobs: int = 1
    image_size: int
    batch_size: int
    epochs: int
    train_examples: int | None
    precision: str
    memory_format: str
    compile: bool
    device: str
    devices: int = 1
    num_nodes: int = 1
    strategy: str = SINGLE_DEVICE
    threads: int | None = None
    affinity: str | None = None
    flushes_denormals: bool | None = None
    tf32: bool | None = None
    cudnn_autotune: bool | None = None
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
    speeds: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: RunSpec, **values: Any) -> "RunRecord":
        """A record of this run; what the spec knows need not be given."""
        settings = json.loads(json.dumps(asdict(spec.protocol)))  # as they will be read back
        known = {
            "model": spec.model,
            "dataset": spec.dataset,
            "task": spec.task,
            "protocol": spec.protocol_name,
            "seed": spec.seed,
            "device": spec.device,
            "devices": spec.devices,
            "num_nodes": spec.num_nodes,
            "strategy": spec.strategy,
            "key": spec.key,
            "protocol_digest": spec.protocol_digest,
            "data_digest": spec.data_digest,
            "settings": settings,
        }
        shared = {f.name for f in fields(cls)} & settings.keys()
        return cls(**{**{name: settings[name] for name in shared}, **known, **values})


NESTED = ("settings", "history", "speeds")
COLUMNS = [f.name for f in fields(RunRecord) if f.name not in NESTED]


def identity(results: Path) -> str:
    """What tells this results folder from its clones: a name in a file git ignores."""
    path = results / ".identity"
    if not path.exists():
        with lock(results, "identity"):
            if not path.exists():
                write_atomic(path, uuid.uuid4().hex)
    return path.read_text(errors="replace")


class RecordStore:
    """The records of a results folder, `<dataset>/<protocol>/runs/*.json`.

    Beside `runs/` lie the checkpoints of unfinished runs, and the locks of runs in progress.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, spec: RunSpec) -> Path:
        return self.root / spec.folder / "runs" / f"{_name(spec)}.json"

    def checkpoint(self, spec: RunSpec) -> Path:
        """Where the training of this run is saved until it has a record."""
        return self.root / spec.folder / "checkpoints" / f"{_name(spec)}.ckpt"

    def lock(self, spec: RunSpec) -> FileLock:
        """Held by whoever carries out this run."""
        return lock(self.root / spec.folder, _name(spec))

    def write(self, spec: RunSpec, record: RunRecord) -> None:
        """Write a record so that it is there whole or not at all.

        The checkpoint goes, unless the run was cut short and can go on from there.

        Raises:
            OSError: the record cannot be written.
        """
        record.made_in = identity(self.root)
        content = asdict(record)
        content["checksum"] = digest(content)
        write_atomic(self.path(spec), json.dumps(content, indent=1) + "\n")
        self.tidy(spec, record)

    def tidy(self, spec: RunSpec, record: RunRecord) -> None:
        """Remove what a run with this record no longer needs, also where its writer was killed."""
        path, checkpoint = self.path(spec), self.checkpoint(spec)
        unneeded = [*scratch(path), *scratch(checkpoint)]
        if record.status in (OK, DIVERGED):
            unneeded.append(checkpoint)
        for file in unneeded:
            with suppress(OSError):
                file.unlink()

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


def read_rows(path: Path) -> pd.DataFrame | None:
    """A CSV file of results, if it is there; a damaged one is named and set aside."""
    try:
        rows = pd.read_csv(io.BytesIO(path.read_bytes()), dtype={"key": str})
        if "key" not in rows:
            raise ValueError("it has no column of keys")
    except FileNotFoundError:
        return None
    except ValueError as error:
        quarantine(path, error)
        return None
    return rows


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


def _name(spec: RunSpec) -> str:
    model = re.sub(r"[^\w.-]", "-", spec.model)  # it may be torchvision/resnet18
    return f"{model}-seed{spec.seed}-{spec.key}"


def _read(path: Path) -> RunRecord | None:
    """The record in a file, or None if it cannot be had, which is said in one line."""
    checksum = None
    try:
        content = json.loads(path.read_bytes())
        checksum = content.pop("checksum", None)
        if checksum not in (None, digest(content)):
            raise ValueError("its checksum differs")
        return RunRecord(**content)
    except OSError as error:
        print(f"benchmarks: {path} cannot be read: {reason(error)}", file=sys.stderr)
    except (ValueError, AttributeError, RecursionError) as error:
        quarantine(path, error)
    except TypeError as error:
        if checksum is None:
            quarantine(path, error)
        else:  # whole, but with other fields
            print(f"benchmarks: {path} is of another version, left out", file=sys.stderr)
    return None
