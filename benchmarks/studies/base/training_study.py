"""A study that trains: ordinary sweeps underneath, and rows made of their records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

import datamodules
import lit_models
from benchmarks.analysis import claims
from benchmarks.analysis.evidence import Evidence, joined_name
from benchmarks.analysis.intervals import Interval
from benchmarks.analysis.metrics import ACCURACY, MEAN, metric
from benchmarks.errors import UsageError
from benchmarks.execution.executor import make_executor
from benchmarks.execution.sweep import sweep
from benchmarks.planning.placement import Placement
from benchmarks.planning.plan import RunSpec, plan
from benchmarks.planning.protocol import Protocol
from benchmarks.planning.sweep_config import SweepConfig
from benchmarks.planning.variation import Variation
from benchmarks.records import frames, store
from benchmarks.records.artifacts import run_name
from benchmarks.records.record import DIVERGED, OK, RunRecord
from benchmarks.records.storage import write_atomic
from benchmarks.records.store import RecordStore
from benchmarks.report import table
from benchmarks.report.comparable import comparable, labels
from benchmarks.report.rebuild import rebuild as rebuild_report
from benchmarks.studies.base import comparisons
from benchmarks.studies.base.comparisons import SWEEPS
from benchmarks.studies.base.study import Context, Study
from benchmarks.studies.base.verdict import Verdict
from datamodules import DatasetRequest, ImageDataset
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
        timed: whether the loops are timed too, some seconds a run.
    """

    models: tuple[str, ...]
    dataset: str
    protocol: str
    overrides: dict[str, str] = field(default_factory=dict)
    vary: str | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    keep_weights: bool = False
    timed: bool = True


class TrainingStudy(Study):
    """A question that ordinary sweeps answer: cached, resumed, carried out by any executor.

    A subclass sets `quick` and `full`, instances of `TrainingSettings`, and defines `plot`, and
    `sweeps` if there are several. Its rows are those of `results.csv` of each comparison, the
    newest run of each model and seed, with two more columns: `sweep`, and `label`, which names the
    model among all rows, such as `lenet, learning rate 0.1, xavier`. Records lie in
    `<results>/studies/<study>/<dataset>/<protocol>/runs/`.
    """

    def sweeps(self, settings: Any) -> dict[str, TrainingSettings]:
        """The sweeps of this study by name; by default one, whose name is empty."""
        return {"": settings}

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
            **(context.options if settings.timed else {**context.options, "no_timing": True}),
        ).resolved()

    def configs(self, settings: Any, context: Context) -> dict[str, SweepConfig]:
        """The sweeps by name, resolved.

        Raises:
            ModelError, UsageError: a sweep that cannot be served.
        """
        return {name: self.config(own, context) for name, own in self.sweeps(settings).items()}

    def planned(self, configs: Mapping[str, SweepConfig]) -> list[tuple[RunSpec, ImageDataset]]:
        """The runs of all sweeps, each once a comparison, with their data.

        Raises:
            DataError, ModelError, UsageError: data that do not fit.
        """
        datasets: dict[DatasetRequest, ImageDataset] = {}
        found = {}
        for config in configs.values():
            if config.data not in datasets:
                datasets[config.data] = datamodules.load(config.data, config.data_dir)
            dataset = datasets[config.data]
            for spec in plan(config.check_data(dataset), dataset):
                found[spec.folder, run_name(spec)] = spec, dataset
        return [*found.values()]

    def run(self, settings: Any, context: Context) -> bool:
        """Train what is not trained yet; returns whether every run ended well, or diverged.

        A training that several sweeps plan is carried out once, and one that the results folder
        has in a comparison of the same name is taken from there.

        Raises:
            DataError, ModelError, UsageError: a sweep that cannot be served.
            Interrupted: by a signal; the same command goes on.
        """
        configs = self.configs(settings, context)
        specs = [spec for spec, _ in self.planned(configs)]
        folders = {
            name: config.folder.relative_to(context.folder).as_posix()
            for name, config in configs.items()
        }
        write_atomic(context.folder / SWEEPS, json.dumps(folders, indent=1) + "\n")
        config, store = next(iter(configs.values())), RecordStore(context.folder)
        results, groups = RecordStore(context.folder.parents[1]), comparisons.by_key(specs)
        for group in groups if not context.force else ():
            comparisons.take_over(group, store, results, keep_weights=config.keep_weights)
        firsts = [group[0] for group in groups]
        records = sweep(firsts, store, make_executor(config), context.force)
        for group in groups:
            comparisons.pass_on(group, store)
        return all(record.status in (OK, DIVERGED) for record in records)

    def is_measured(self, folder: Path) -> bool:
        """Whether a run of the last sweeps has left a record."""
        return any(
            each in RecordStore(folder).folders() for each in comparisons.of_study(folder).values()
        )

    def read(self, folder: Path) -> pd.DataFrame:
        """The newest run of each model and seed of the sweeps that were trained last.

        Raises:
            UsageError: no readable record, or no run ended well.
        """
        found = {name: store.load(each) for name, each in comparisons.of_study(folder).items()}
        parts = [
            comparable(frames.frame(records)).assign(sweep=name)
            for name, records in found.items()
            if records
        ]
        if not parts:
            raise UsageError(f"{folder} has no records; `make study STUDY={self.name}` makes them")
        rows = pd.concat(parts, ignore_index=True)
        if not (rows["status"] == OK).any():
            raise UsageError(f"no run in {folder} ended well: {rows['error'].iloc[-1]}")
        rows["label"] = [*map(joined_name, labels(rows), rows["sweep"])]
        rows.attrs["folder"] = str(folder)
        return rows

    def records(self, rows: pd.DataFrame) -> list[RunRecord]:
        """The records of these rows, with their histories and evaluations on the way."""
        found = (store.load(each) for each in comparisons.of_rows(rows).values())
        return [each for part in found for each in part if each.setup.key in set(rows["key"])]

    def rebuild(self, folder: Path) -> str:
        """As `Study.rebuild`; the tables of the comparisons underneath are rebuilt too."""
        rows = self.read(folder)
        self.rebuild_comparisons(folder)
        write_atomic(folder / "results.csv", rows.to_csv(index=False))
        return super().rebuild(folder)

    def rebuild_comparisons(self, folder: Path) -> None:
        """Write the tables of all comparisons that have records; see `report.rebuild`."""
        for comparison in RecordStore(folder).folders():
            rebuild_report(comparison)

    def markdown(self, rows: pd.DataFrame) -> str:
        """The table of each comparison, with its meanings and provenance."""
        parts = [
            filter(None, (f"**{name}**" if name else "", table.markdown(own)))
            for name, own in rows.groupby("sweep", sort=False)
        ]
        return "\n\n".join("\n\n".join(part) for part in parts)

    def caption(self, rows: pd.DataFrame) -> str:
        """Nothing: the table says it all."""
        return self.note

    def option(self, rows: pd.DataFrame, name: str) -> pd.Series:
        """The value of an option in each row's model; its default where the name leaves it out."""
        return rows["model"].map(lambda model: _option(model, name))

    def evidence(self, rows: pd.DataFrame) -> Evidence:
        """The runs that ended well, with their predictions, by label.

        Raises:
            UsageError: the sweeps have different data.
        """
        done = rows[rows["status"] == OK]
        return Evidence.joined(
            {name: Evidence.load(each) for name, each in comparisons.of_rows(done).items()}
        )

    def accuracy(self, rows: pd.DataFrame, model: str) -> Interval:
        """The interval of a model's accuracy over new trainings and new test images.

        Args:
            model: its label, as in `better`.
        """
        found = self.evidence(rows).accuracies
        if found is None:
            raise UsageError("these runs have no accuracies on images")
        return found.interval(model)

    def better(
        self,
        rows: pd.DataFrame,
        claim: str,
        a: str,
        b: str,
        *,
        figure: str = "test_accuracy",
        margin: float = 0.0,
    ) -> Verdict:
        """The claim that model `a` is better than model `b`.

        Args:
            rows: as they were read; of several sweeps, those on the same data.
            claim: a sentence without a full stop.
            a, b: labels of models: the name, in a study with several sweeps or a varied field as in
                the column `label`.
            figure: by which models are compared; one of accuracy, mean IoU or loss.
            margin: by how much `a` may be worse than `b`, in points or nats.

        Raises:
            UsageError: the sweeps have different data.
        """
        by = metric(figure)
        found = claims.claim(self.evidence(rows), a, b, by)
        pair = found.difference
        if pair is None or by.kind not in (ACCURACY, MEAN):
            raise ValueError(f"{figure} has no difference with an interval")
        scale, unit = (100, "points") if by.is_fraction else (1, "nats")
        bound = {"at_least": 0.0 - margin} if by.higher_is_better else {"at_most": margin}
        found_equal = by.is_fraction and found.verdict == claims.EQUIVALENT
        return Verdict(
            claim,
            f"{by.words[0].upper()}{by.words[1:]} of {a} less that of {b}",
            effect=scale * pair.interval.estimate,
            low=scale * pair.interval.low,
            high=scale * pair.interval.high,
            unit=unit,
            more_seeds=None if margin else found.more,
            note="They differ by less than a point." if found_equal else "",
            **bound,
        )


def _option(model: str, name: str) -> Any:
    entry = lit_models.entry(model)
    known, _ = options.known(lit_models.entry(base(model)))
    return entry.options.get(name, known[name].default)
