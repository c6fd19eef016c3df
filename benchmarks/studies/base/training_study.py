"""A study that trains: an ordinary sweep underneath, and rows made of its records."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

import datamodules
import lit_models
from benchmarks.analysis import claims
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.intervals import Interval
from benchmarks.analysis.metrics import metric
from benchmarks.errors import UsageError
from benchmarks.execution.executor import make_executor
from benchmarks.execution.sweep import sweep
from benchmarks.planning.placement import Placement
from benchmarks.planning.plan import plan
from benchmarks.planning.protocol import Protocol
from benchmarks.planning.sweep_config import SweepConfig
from benchmarks.planning.variation import Variation
from benchmarks.records import frames, store
from benchmarks.records.record import OK
from benchmarks.records.storage import write_atomic
from benchmarks.records.store import RecordStore
from benchmarks.report import table
from benchmarks.report.comparable import comparable
from benchmarks.report.rebuild import rebuild as rebuild_report
from benchmarks.studies.base.study import Context, Study
from benchmarks.studies.base.verdict import Verdict
from lit_models import options
from lit_models.variants import base

_FIELD = "protocol."  # begins the name of a setting that overrides a field of the protocol


@dataclass(frozen=True)
class TrainingSettings:
    """The sweep of a training study.

    Args:
        models: names, with options; grids such as `convnet[first_layer_filters=[8,32]]` too.
        dataset: name of the dataset.
        protocol: of the suite, or a YAML file.
        overrides: fields of the protocol, as YAML text; `--set protocol.FIELD=VALUE` adds one.
        vary: a field of the protocol with its values, such as `batch_size=16,64`; None: no field.
        seeds: a run of each model for each.
        keep_weights: whether runs leave their weights, for a study that reads them.
    """

    models: tuple[str, ...]
    dataset: str
    protocol: str
    overrides: dict[str, str] = field(default_factory=dict)
    vary: str | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    keep_weights: bool = False


class TrainingStudy(Study):
    """A question that an ordinary sweep answers: cached, resumed, carried out by any executor.

    A subclass sets `quick` and `full`, instances of `TrainingSettings`, and defines `plot`. Its
    rows are those of `results.csv` of a comparison: the newest run of each model and seed. Records
    lie in `<results>/studies/<study>/<dataset>/<protocol>/runs/`.
    """

    def settings(self, budget: str, given: Mapping[str, Any]) -> TrainingSettings:
        """As `Study.settings`; `protocol.FIELD` overrides a field of the protocol."""
        own = {name: value for name, value in given.items() if not name.startswith(_FIELD)}
        overrides = {name.removeprefix(_FIELD): str(given[name]) for name in given.keys() - own}
        settings = super().settings(budget, own)
        return replace(settings, overrides=settings.overrides | overrides)

    def config(self, settings: TrainingSettings, context: Context) -> SweepConfig:
        """The sweep, resolved.

        Raises:
            ModelError, UsageError: a sweep that cannot be served.
        """
        protocol = Protocol.load(settings.protocol, settings.overrides)
        return SweepConfig(
            models=settings.models,
            dataset=settings.dataset,
            protocol=protocol,
            protocol_name=protocol.title(settings.protocol, settings.overrides),
            placement=Placement(device=context.device),
            vary=Variation.parse(settings.vary) if settings.vary else None,
            seeds=settings.seeds,
            keep_weights=settings.keep_weights,
            force=context.force,
            results=context.folder,
            data_dir=context.data_dir,
            **context.options,
        ).resolved()

    def run(self, settings: TrainingSettings, context: Context) -> bool:
        """Train what is not trained yet; returns whether all runs ended well.

        Raises:
            DataError, ModelError, UsageError: a sweep that cannot be served.
            Interrupted: by a signal; the same command goes on.
        """
        config = self.config(settings, context)
        dataset = datamodules.load(config.dataset, config.data_dir)
        config = config.check_data(dataset)
        runs, executor = RecordStore(context.folder), make_executor(config)
        records = sweep(plan(config, dataset), runs, executor, config.force)
        return all(record.status == OK for record in records)

    def is_measured(self, folder: Path) -> bool:
        """Whether a run has left a record."""
        return bool(RecordStore(folder).folders())

    def read(self, folder: Path) -> pd.DataFrame:
        """The newest run of each model and seed of the comparison that was trained last.

        Raises:
            UsageError: no readable record, or no run ended well.
        """
        comparisons = {each: store.load(each) for each in RecordStore(folder).folders()}
        last = {
            each: max(record.finished_at for record in records)
            for each, records in comparisons.items()
            if records
        }
        if not last:
            raise UsageError(f"{folder} has no records; `make study STUDY={self.name}` makes them")
        newest = max(last, key=lambda each: last[each])
        rows = comparable(frames.frame(comparisons[newest]))
        if not (rows["status"] == OK).any():
            raise UsageError(f"no run in {newest} ended well: {rows['error'].iloc[-1]}")
        rows.attrs["comparison"] = str(newest)
        return rows

    def rebuild(self, folder: Path) -> str:
        """As `Study.rebuild`; the tables of the comparisons underneath are rebuilt too."""
        rows = self.read(folder)
        for comparison in RecordStore(folder).folders():
            rebuild_report(comparison)
        write_atomic(folder / "results.csv", rows.to_csv(index=False))
        return super().rebuild(folder)

    def markdown(self, rows: pd.DataFrame) -> str:
        """The table of a comparison, with its meanings and provenance."""
        return table.markdown(rows)

    def caption(self, rows: pd.DataFrame) -> str:
        """Nothing: the table says it all."""
        return self.note

    def option(self, rows: pd.DataFrame, name: str) -> pd.Series:
        """The value of an option in each row's model; its default where the name leaves it out."""
        return rows["model"].map(lambda model: _option(model, name))

    def accuracy(self, rows: pd.DataFrame, model: str) -> Interval:
        """The interval of a model's accuracy over new trainings and new test images."""
        found = _evidence(rows).accuracies
        if found is None:
            raise UsageError("these runs have no accuracies on images")
        return found.interval(model)

    def better(self, rows: pd.DataFrame, claim: str, a: str, b: str) -> Verdict:
        """The claim that model `a` is more accurate than model `b`, in points of accuracy."""
        found = claims.claim(_evidence(rows), a, b, metric("test_accuracy"))
        pair = found.difference
        if pair is None:
            raise ValueError("test_accuracy is measured, not counted")
        found_equal = found.verdict == claims.EQUIVALENT
        return Verdict(
            claim,
            f"Test accuracy of {a} less that of {b}",
            effect=100 * pair.interval.estimate,
            low=100 * pair.interval.low,
            high=100 * pair.interval.high,
            at_least=0,
            unit="points",
            more_seeds=found.more,
            note="They differ by less than a point." if found_equal else "",
        )


def _evidence(rows: pd.DataFrame) -> Evidence:
    return Evidence.load(Path(rows.attrs["comparison"]))


def _option(model: str, name: str) -> Any:
    entry = lit_models.entry(model)
    known, _ = options.known(lit_models.entry(base(model)))
    return entry.options.get(name, known[name].default)
