"""A study: a question, how it is measured, and how the answer is shown."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import torch
from matplotlib.figure import Figure
from pydantic import TypeAdapter, ValidationError

import lit_models
from benchmarks import studies
from benchmarks.errors import UsageError, check_known
from benchmarks.machine import environment
from benchmarks.machine.timing_lock import timing
from benchmarks.planning.fingerprint import digest, imported_digest
from benchmarks.planning.variation import split
from benchmarks.records.record import now
from benchmarks.records.storage import write_atomic
from benchmarks.records.store import identity
from benchmarks.report.notes import escape
from benchmarks.report.style import look, save
from benchmarks.studies.base import rows as storage
from benchmarks.studies.base.verdict import Verdict

ABOUT = "about.md"  # the paragraph of a study, for the overview

# Methods and functions of a study that show its rows and change none,
PRESENTATION = ("about", "caption", "plot", "plots", "table", "verdicts")
# and packages whose code may change the rows of whoever imports it.
MEASURING = (
    *("benchmarks.machine", "benchmarks.measurement", "benchmarks.training", "datamodules"),
    "benchmarks.studies.base.fields",
)


@dataclass(frozen=True)
class Column:
    """A column of `results.csv`, and how the table shows it.

    Args:
        name: as in the CSV.
        doc: its meaning, for the text under the table.
        unit: of its values.
        format: of its cells: a specification such as `.1f`, or a text in which names of columns
            stand for the row's values, such as `{low:.1f} to {high:.1f}`; None: not shown.
        title: the name in the heading of the table; None: the name with spaces.
    """

    name: str
    doc: str
    unit: str = ""
    format: str | None = ""
    title: str | None = None

    @property
    def heading(self) -> str:
        """Name and unit in words."""
        title = self.title or self.name.replace("_", " ")
        return f"{title} ({self.unit})" if self.unit else title

    def cells(self, rows: list[dict[str, Any]]) -> list[str]:
        """The text of each row."""
        text = self.format or ""
        template = text if "{" in text else f"{{{self.name}:{text}}}"
        return [template.format_map(row) for row in rows]


@dataclass(frozen=True)
class Context:
    """Where a study is measured and kept.

    Args:
        folder: `<results>/studies/<study>`.
        device: a type of device that this machine has.
        data_dir: of datasets.
        force: measure again what is measured.
        options: fields of `SweepConfig` that tell how a sweep underneath is carried out.
    """

    folder: Path
    device: str
    data_dir: Path = Path("data")
    force: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NoSettings:
    """The settings of a study that has none."""


class Study:
    """A question. A subclass sets `quick` and `columns`, and defines `measure` and `plot`.

    `quick` and `full` are the settings under each budget: instances of a frozen dataclass, whose
    values are part of the key, of the CSV and of the caption, and can be set by `--set`.
    """

    quick: ClassVar[Any] = NoSettings()
    full: ClassVar[Any] = None  # None: as quick
    columns: ClassVar[tuple[Column, ...]] = ()
    part: ClassVar[str | None] = None  # the column that names the parts, see `parts`
    note: ClassVar[str] = ""  # sentences for the text under the table

    def __init__(self, name: str) -> None:
        self.name = name

    def measure(self, settings: Any, context: Context) -> pd.DataFrame:
        """Rows with the columns of this study; cells may be arrays of NumPy."""
        raise NotImplementedError

    def plot(self, rows: pd.DataFrame) -> Figure:
        """The picture of this study, with the rows as they were measured."""
        raise NotImplementedError

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """What the rows say about each claim."""
        return []

    def about(self, rows: pd.DataFrame) -> str:
        """A paragraph on the answer for people new to the question; its figures are of the rows."""
        return ""

    def parts(self, settings: Any) -> dict[str, Any]:
        """The settings of each part, which is measured and kept for itself, by name.

        Raises:
            ModelError, UsageError: settings that cannot be served.
        """
        return {"": settings}

    def inputs(self, settings: Any, context: Context) -> list[object]:
        """What can change the rows of a part apart from settings, code, device and PyTorch.

        Raises:
            DataError: a dataset cannot be loaded.
        """
        return []

    def stamp(self, device: torch.device) -> dict[str, Any]:
        """Columns that tell where the rows were measured."""
        return environment.describe(device)

    def settings(self, budget: str, given: Mapping[str, Any]) -> Any:
        """The settings under a budget, quick or full, with single ones as text or value instead.

        Raises:
            UsageError: no such setting, or a value that it cannot take.
        """
        settings = self.quick if budget == "quick" or self.full is None else self.full
        known = {each.name: getattr(settings, each.name) for each in fields(settings)}
        for name, value in given.items():
            if not known:
                raise UsageError(f"study {self.name} has no settings")
            check_known("setting", name, known)
            is_list = isinstance(known[name], tuple) and isinstance(value, str)
            known[name] = split(value) if is_list else value
        try:
            return TypeAdapter(type(settings)).validate_python(known)
        except ValidationError as error:
            problem = error.errors()[0]
            name, what = ".".join(map(str, problem["loc"])), problem["msg"]
            raise UsageError(f"setting {name}: {what}, not {problem['input']!r}") from None

    def run(self, settings: Any, context: Context) -> bool:
        """Measure the parts that are not measured yet; returns whether all went well."""
        rows = storage.read(context.folder) if not context.force else None
        known = set() if rows is None else set(rows["key"])
        for name, own in self.parts(settings).items():
            key = digest([asdict(own), *self._inputs(own, context)])[:16]
            if key not in known:
                with timing():
                    measured = self.measure(own, context)
                shown = {each: _as_cell(value) for each, value in asdict(own).items()}
                stamp = shown | self.stamp(torch.device(context.device)) | {"finished_at": now()}
                stamp = {each: value for each, value in stamp.items() if each not in measured}
                storage.replace(context.folder, measured.assign(**stamp), key, self.part, name)
        return True

    def _inputs(self, settings: Any, context: Context) -> list[object]:
        module = studies.module_name(self.name)
        packages = [module, *MEASURING]
        if not module.startswith(f"{studies.__name__}."):
            packages.append(module.partition(".")[0])
        code = imported_digest([type(self).__module__], *packages, without=PRESENTATION)
        results = context.folder.parents[1]
        shared = [code, context.device, torch.__version__, identity(results)]
        return [*self.inputs(settings, context), *shared]

    def is_measured(self, folder: Path) -> bool:
        """Whether there is anything to show."""
        return (folder / "results.csv").exists()

    def read(self, folder: Path) -> pd.DataFrame:
        """The rows that were measured.

        Raises:
            UsageError: there are none, or they lack columns or arrays.
        """
        rows = storage.read(folder)
        again = f"make study STUDY={self.name}"
        if rows is None:
            raise UsageError(f"{folder} has no results; `{again}` makes them")
        if missing := [each.name for each in self.columns if each.name not in rows]:
            raise UsageError(f"{folder} lacks {', '.join(missing)}; `{again}` measures again")
        return rows

    def rebuild(self, folder: Path) -> str:
        """Write `table.md`, `about.md`, `verdicts.json` and `plots/`; returns the table.

        Raises:
            UsageError: there are no rows, or they are damaged.
        """
        rows = self.read(folder)
        for name, figure in self.plots(rows).items():
            save(figure, folder / "plots" / f"{name}.png")
        verdicts = self.verdicts(rows)
        listed = "\n".join(f"- {verdict.sentence}" for verdict in verdicts)
        about = self.about(rows)
        if about:
            write_atomic(folder / ABOUT, about + "\n")
        parts = filter(None, (about, self.markdown(rows), listed, self.caption(rows)))
        markdown = "\n\n".join(parts)
        write_atomic(folder / "table.md", markdown + "\n")
        content = json.dumps([verdict.to_dict() for verdict in verdicts], indent=1)
        write_atomic(folder / "verdicts.json", content + "\n")
        return markdown

    def plots(self, rows: pd.DataFrame) -> dict[str, Figure]:
        """All pictures by name; that with the name of the study stands in the overview."""
        with look():
            return {self.name: self.plot(rows)}

    def markdown(self, rows: pd.DataFrame) -> str:
        """The table in markdown."""
        table = self.table(rows)
        align = ["left"] + ["right"] * (len(table.columns) - 1)
        return table.to_markdown(index=False, disable_numparse=True, colalign=align)

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The cells of the table as text."""
        records = rows.to_dict("records")
        return pd.DataFrame({each.heading: each.cells(records) for each in self._shown})

    @property
    def _shown(self) -> list[Column]:
        return [column for column in self.columns if column.format is not None]

    def caption(self, rows: pd.DataFrame) -> str:
        """The meaning of the columns, the settings, and where the rows were measured."""
        meanings = [f"{column.heading}: {column.doc}." for column in self._shown]
        shown = {column.name for column in self._shown}
        names = [each.name for each in fields(self.quick) if each.name not in shown]
        facts = {name: name.replace("_", " ") for name in names}
        facts |= {"data_source": "data", "device": "device", "torch_version": "torch"}
        facts |= {"commit": "commit"}
        known = [f"{text}: {_values(rows[name])}" for name, text in facts.items() if name in rows]
        finished = f"finished: {rows['finished_at'].max()}"
        where = "; ".join([*known, finished]) + "."
        return " ".join(filter(None, [*meanings, self.note, where]))


def by_model(settings: Any, task: str) -> dict[str, Any]:
    """The parts of a study whose settings have `models`: one for each that is selected.

    Raises:
        ModelError: no such model.
    """
    names = lit_models.select(settings.models, None, task)
    return {name: replace(settings, models=(name,)) for name in names}


def _values(column: pd.Series) -> str:
    """The distinct values of a column."""
    distinct = column.dropna().drop_duplicates()
    return " / ".join(f"{v:,g}" if isinstance(v, int | float) else escape(v) for v in distinct)


def _as_cell(value: Any) -> Any:
    if isinstance(value, dict):
        value = [f"{name}={each}" for name, each in value.items()]
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else value
