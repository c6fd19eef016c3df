"""The comparisons underneath a study, and the trainings that they share."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.planning.plan import RunSpec
from benchmarks.records.artifacts import weights_path
from benchmarks.records.storage import quarantine
from benchmarks.records.store import RecordStore

# In the folder of a study: the comparisons of its sweeps, by name, as paths within that folder.
SWEEPS = "sweeps.json"


def of_study(folder: Path) -> dict[str, Path]:
    """The comparisons of the last sweeps of a study, by the name of the sweep."""
    path = folder / SWEEPS
    try:
        return {name: folder / each for name, each in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        quarantine(path, error)
        return {}


def of_rows(rows: pd.DataFrame) -> dict[str, Path]:
    """The comparisons that these rows are of, by the name of the sweep."""
    known = of_study(Path(rows.attrs["folder"]))
    return {name: known[name] for name in rows["sweep"].unique()}


def by_key(specs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """The runs in groups of the same training."""
    found: dict[str, list[RunSpec]] = {}
    for spec in specs:
        found.setdefault(spec.key, []).append(spec)
    return [*found.values()]


def take_over(
    group: Sequence[RunSpec], store: RecordStore, elsewhere: RecordStore, *, keep_weights: bool
) -> None:
    """Write the record of the first run of a group, if the training is finished anywhere.

    Args:
        group: runs of the same training, each in a comparison of its own.
        elsewhere: another store that may have one of these comparisons.
        keep_weights: whether a training whose weights were not kept is of no use.

    Raises:
        OSError: the record cannot be written.
    """
    first, *others = group
    if store.finished(first):
        return
    for source, spec in [(store, spec) for spec in others] + [(elsewhere, spec) for spec in group]:
        path = source.path(spec)
        record = source.finished(spec)
        if record and (weights_path(path).exists() or not keep_weights):
            store.adopt(first, record, path)
            return


def pass_on(group: Sequence[RunSpec], store: RecordStore) -> None:
    """Write the record of the first run of a group as that of the others too.

    Raises:
        OSError: a record cannot be written.
    """
    first, *others = group
    record = store.find(first)
    for spec in others:
        known = store.find(spec)
        if record and (known is None or known.finished_at != record.finished_at):
            store.adopt(spec, record, store.path(first))
