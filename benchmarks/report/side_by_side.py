"""Several recipes of one dataset in one table, with their curves in one plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd

from benchmarks.analysis.evidence import Evidence
from benchmarks.errors import UsageError, check_known
from benchmarks.planning.variation import as_text
from benchmarks.records import frames, store
from benchmarks.records.record import OK, RunRecord
from benchmarks.records.storage import lock, write_atomic
from benchmarks.records.store import RecordStore
from benchmarks.report import plots, table
from benchmarks.report.comparable import comparable, labels
from benchmarks.report.rebuild import settings_by_key
from benchmarks.report.standing import Standing, of_evidence
from benchmarks.report.style import save

RECIPE = "recipe"
LONGEST = 200  # characters of a folder's name


@dataclass(frozen=True)
class SideBySide:
    """The runs of several comparisons as one, which varies the recipe.

    Args:
        folders: of the comparisons, of one dataset.
        records: of the runs in their tables.
        rows: the same, with the columns of `results.csv`; `varied` is the recipe.
        standing: over all rows; without places where the recipes evaluate different images.
    """

    folders: Sequence[Path]
    records: Sequence[RunRecord]
    rows: pd.DataFrame
    standing: Standing | None

    @property
    def folder(self) -> Path:
        """Where it is written: `<results>/<dataset>/side_by_side/<recipe>_and_<recipe>`."""
        name = "_and_".join(folder.name for folder in self.folders)
        if len(name) > LONGEST:
            name = f"{name[: LONGEST - 9]}-{sha256(name.encode()).hexdigest()[:8]}"
        return self.folders[0].parent / "side_by_side" / name

    def write(self) -> None:
        """Write `table.md`, `results.csv`, `curves.csv` and `plots/curves.png`.

        Raises:
            OSError: a file cannot be written.
        """
        folder, curves = self.folder, frames.curves(list(self.records))
        markdown = table.markdown(self.rows, settings_by_key(self.records), self.standing)
        with lock(folder, "report"):
            write_atomic(folder / "table.md", markdown + "\n")
            write_atomic(folder / "results.csv", self.rows.to_csv(index=False))
            write_atomic(folder / "curves.csv", curves.to_csv(index=False))
            done = self.rows[self.rows["status"] == OK]
            if not done.empty:
                done = done.assign(protocol=" and ".join(each.name for each in self.folders))
                save(plots.training_curves(done, curves), folder / "plots" / "curves.png")


def side_by_side(folders: Sequence[Path]) -> SideBySide:
    """The comparisons in these folders as one.

    Raises:
        UsageError: no readable record in a folder.
    """
    parts: list[pd.DataFrame] = []
    by_key: dict[tuple[int, str], RunRecord] = {}
    for number, folder in enumerate(folders):
        records = store.load(folder)
        if not records:
            raise UsageError(f"no readable record in {folder / 'runs'}; `make bench` makes them")
        rows = comparable(frames.frame(records))
        recipes = [_recipe(folder, value) for value in rows["varied_value"]]
        parts.append(rows.assign(varied=RECIPE, varied_value=recipes, part=number))
        by_key |= {(number, record.setup.key): record for record in records}
    # The runs belong together, though protocol and normalisation differ.
    rows = pd.concat(parts, ignore_index=True).assign(protocol_digest="", data_digest="")
    found = [by_key[key] for key in zip(rows["part"], rows["key"], strict=True)]
    standing = _standing(rows, found, [folders[number] for number in rows["part"]])
    return SideBySide(folders, found, rows.drop(columns="part"), standing)


def folders(results: Path, protocols: Sequence[str], dataset: str | None) -> list[Path]:
    """The folders of these protocols, of one dataset.

    Args:
        results: the results folder.
        protocols: names of folders, two or more.
        dataset: its name; None: the only one that has all these protocols.

    Raises:
        UsageError: there are none, or of several datasets.
    """
    if len(set(protocols)) < 2:
        raise UsageError("--side-by-side takes two or more protocols, such as quick d2l")
    known = RecordStore(results).folders()
    names = {folder.parent.name for folder in known}
    if dataset is not None:
        check_known("dataset", dataset, sorted(names))
        known = [folder for folder in known if folder.parent.name == dataset]
    for protocol in protocols:
        check_known("protocol", protocol, sorted({folder.name for folder in known}))
    by_dataset = {
        name: {folder.name: folder for folder in known if folder.parent.name == name}
        for name in sorted({folder.parent.name for folder in known})
    }
    whole = [name for name, own in by_dataset.items() if own.keys() >= set(protocols)]
    if len(whole) != 1:
        having = f"{', '.join(whole)} have" if whole else "no dataset has"
        raise UsageError(f"{having} records under {', '.join(protocols)}; choose a --dataset")
    return [by_dataset[whole[0]][protocol] for protocol in dict.fromkeys(protocols)]


def _recipe(folder: Path, value: float | str | None) -> str:
    """The name of a recipe: the folder's, with the value of a field that it varies."""
    return folder.name if value is None or pd.isna(value) else f"{folder.name}: {as_text(value)}"


def _standing(
    rows: pd.DataFrame, records: Sequence[RunRecord], of_runs: Sequence[Path]
) -> Standing | None:
    runs: dict[str, list[RunRecord]] = {}
    homes: dict[str, Path] = {}
    for label, folder, record in zip(labels(rows), of_runs, records, strict=True):
        if record.status == OK:
            runs.setdefault(label, []).append(record)
            homes[label] = folder
    if not runs:
        return None
    evaluated = {
        (own[0].scores.validation_accuracy is None, Evidence(homes[label], {label: own}).images)
        for label, own in runs.items()
    }
    return of_evidence(Evidence(next(iter(homes.values())), runs, homes), len(evaluated) == 1)
