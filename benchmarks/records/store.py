"""The records of a results folder: written whole, found by key, set aside when damaged."""

import json
import sys
import uuid
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import BaseFileLock

from benchmarks.planning.fingerprint import digest
from benchmarks.records.artifacts import (
    predictions_path,
    read_predictions,
    run_name,
    run_stem,
    weights_path,
    write_predictions,
)
from benchmarks.records.record import DIVERGED, OK, NewerSchemaError, RunRecord
from benchmarks.records.storage import lock, quarantine, reason, scratch, write_atomic

if TYPE_CHECKING:
    from benchmarks.planning.plan import RunSpec


def identity(results: Path) -> str:
    """A name that distinguishes this results folder from its clones, in a file that git ignores."""
    path = results / ".identity"
    if not path.exists():
        with lock(results, "identity"):
            if not path.exists():
                write_atomic(path, uuid.uuid4().hex)
    return path.read_text(errors="replace")


class RecordStore:
    """The records of a results folder, `<dataset>/<protocol>/runs/*.json`.

    Beside `runs/` lie predictions and weights (see `artifacts`), the checkpoints of unfinished
    runs, and the locks of runs in progress.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, spec: "RunSpec") -> Path:
        return self.root / spec.folder / "runs" / f"{run_name(spec)}.json"

    def checkpoint(self, spec: "RunSpec") -> Path:
        """The file in which the training of this run is saved until it has a record."""
        return self.root / spec.folder / "checkpoints" / f"{run_name(spec)}.ckpt"

    def lock(self, spec: "RunSpec") -> BaseFileLock:
        """The lock that whoever carries out this run holds."""
        return lock(self.root / spec.folder, run_name(spec))

    def write(self, spec: "RunSpec", record: RunRecord) -> RunRecord:
        """Write the predictions, then the record, each atomically; returns the record as written.

        The checkpoint is removed, unless the run was cut short and can go on from there.

        Raises:
            OSError: a file cannot be written.
        """
        if record.predictions is not None:
            write_predictions(self.root / spec.folder, run_name(spec), record.predictions)
        record = replace(record, made_in=identity(self.root), predictions=None)
        content = record.to_dict()
        content["checksum"] = digest(content)
        write_atomic(self.path(spec), json.dumps(content, indent=1) + "\n")
        self.tidy((spec, record))
        return record

    def adopt(self, spec: "RunSpec", record: RunRecord, path: Path) -> RunRecord:
        """Write the record of the same training in another comparison as that of this run.

        Args:
            record: its key is that of `spec`.
            path: where it lies, with its predictions and weights beside it.

        Raises:
            OSError: a file cannot be written.
        """
        predictions = read_predictions(path.parents[1], record)
        if (weights := weights_path(path)).exists():
            write_atomic(weights_path(self.path(spec)), weights.read_bytes())
        setup = replace(
            record.setup,
            protocol=spec.protocol_name,
            protocol_digest=spec.protocol_digest,
            varied=spec.varied,
            varied_value=spec.varied_value,
        )
        return self.write(spec, replace(record, setup=setup, predictions=predictions))

    def tidy(self, *runs: tuple["RunSpec", RunRecord]) -> None:
        """Remove what runs with these records no longer need, also after a writer was killed."""
        parts = cache(scratch)  # a folder of a thousand runs is listed once
        for spec, record in runs:
            path, checkpoint = self.path(spec), self.checkpoint(spec)
            predictions = predictions_path(self.root / spec.folder, run_name(spec))
            files = (path, checkpoint, predictions, weights_path(path))
            unneeded = [
                part
                for file in files
                for part in parts(file.parent)
                if part.name.startswith(f"{file.name}.")
            ]
            if record.status in (OK, DIVERGED):
                unneeded.append(checkpoint)
            for file in unneeded:
                with suppress(OSError):
                    file.unlink()

    def find(self, spec: "RunSpec") -> RunRecord | None:
        """The record of this run, if it left one."""
        path = self.path(spec)
        return read(path) if path.exists() else None

    def finished(self, spec: "RunSpec") -> RunRecord | None:
        """The record of this run, if it ended well in this folder.

        A record that came with the code was measured on another machine: the run is done anyway,
        and its own record replaces that one.
        """
        record = self.find(spec)
        if record and record.status == OK and record.made_in == identity(self.root):
            return record
        return None

    def latest(self, spec: "RunSpec") -> RunRecord | None:
        """The newest record of the same row and seed of the same comparison, whatever its key."""
        paths = self.path(spec).parent.glob(f"{run_stem(spec)}-*.json")
        records = [record for path in paths if (record := read(path)) is not None]
        row = (spec.model, spec.varied_value)
        records = [r for r in records if (r.setup.model, r.setup.varied_value) == row]
        return max(records, key=lambda record: record.finished_at, default=None)

    def has_other_data(self, spec: "RunSpec") -> bool:
        """Whether the comparison of this run has runs on other data of the same name too."""
        records = load(self.root / spec.folder)
        return any(record.setup.data_digest != spec.data_digest for record in records)

    def folders(self) -> list[Path]:
        """The comparisons that have records."""
        return sorted({path.parent.parent for path in self.root.glob("*/*/runs/*.json")})


def load(folder: Path) -> list[RunRecord]:
    """The records of one comparison, by model and seed; unreadable ones are named and left out."""
    records = [read(path) for path in sorted((folder / "runs").glob("*.json"))]
    found = [record for record in records if record is not None]
    return sorted(found, key=lambda record: (record.setup.model, record.setup.seed))


def read(path: Path) -> RunRecord | None:
    """The record in a file; None if it is unreadable, which is reported in one line."""
    try:
        content = json.loads(path.read_bytes())
        checksum = content.pop("checksum", None)
        if checksum not in (None, digest(content)):
            raise ValueError("its checksum differs")
        return RunRecord.from_dict(content)
    except OSError as error:
        print(f"benchmarks: {path} cannot be read: {reason(error)}", file=sys.stderr)
    except NewerSchemaError as error:
        print(f"benchmarks: {path} is left out: {error}", file=sys.stderr)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        quarantine(path, error)
    return None
