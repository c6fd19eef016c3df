"""Small runs, and their records as flat values."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

from benchmarks import run
from benchmarks.planning.plan import RunOptions
from benchmarks.records.parts import Speed
from benchmarks.records.record import PARTS, RunRecord

# Fields that differ whenever the same run is repeated.
MEASURED = {
    *(f.name for f in dataclasses.fields(Speed)),
    *("peak_memory_mb", "fit_seconds", "import_seconds", "first_step_seconds", "compile_seconds"),
    "total_seconds",
    "finished_at",
}


def flat(record: RunRecord) -> SimpleNamespace:
    """The fields of all parts of a record, side by side."""
    parts = [getattr(record, name) for name in PARTS]
    values = {f.name: getattr(part, f.name) for part in parts for f in dataclasses.fields(part)}
    lists = {"history": record.history, "evaluations": record.evaluations}
    return SimpleNamespace(**(record.row() | values), **lists)


def numbers(record: RunRecord | SimpleNamespace) -> dict:
    """The values that must be the same whenever the same run is repeated."""
    values = vars(flat(record) if isinstance(record, RunRecord) else record)
    return {name: value for name, value in values.items() if name not in MEASURED}


def train(spec, data_dir: Path, checkpoint=None, decided_at=None, **options) -> SimpleNamespace:
    """Carry out a run in this process; returns its record, flat."""
    options = RunOptions(data_dir, **options)
    return flat(run.train(spec, options, checkpoint, decided_at))


def record_of(spec, **values) -> RunRecord:
    """A record whose parts have the given values."""
    record = RunRecord.of(spec)
    for name, kind in PARTS.items():
        names = {f.name for f in dataclasses.fields(kind)}
        own = {key: values.pop(key) for key in list(values) if key in names}
        values[name] = dataclasses.replace(getattr(record, name), **own)
    return dataclasses.replace(record, **values)
