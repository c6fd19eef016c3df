"""A study that trains, and then measures the trained nets."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from benchmarks import trained
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import OK, RunRecord
from benchmarks.records.store import RecordStore
from benchmarks.studies.base.study import Context, Study
from benchmarks.studies.base.training_study import TrainingStudy
from benchmarks.training.preparation import prepare
from benchmarks.training.training import serve
from datamodules import ImageDataset
from datamodules.datamodule import ImageDataModule


@dataclass(frozen=True)
class TrainedRun:
    """A run that ended well and left its weights.

    Args:
        path: of its record.
        data_dir: the folder of datasets.
    """

    path: Path
    record: RunRecord
    spec: RunSpec
    dataset: ImageDataset
    data_dir: Path

    @cached_property
    def data(self) -> ImageDataModule:
        """The examples that it was trained and tested on, on the device."""
        device = torch.device(self.spec.device)
        return serve(self.dataset, device, self.spec.protocol, self.spec.seed)

    def net(self) -> nn.Module:
        """The trained net on the device, in eval mode.

        Raises:
            UsageError: there are no weights, or others than the record's.
        """
        net, _ = trained.load(self.path)
        return net.to(self.data.device)

    def untrained(self) -> nn.Module:
        """The net on the device as it was before the first step, in train mode."""
        prepared = prepare(
            self.spec,
            self.dataset,
            self.data,
            micro_batch_size=self.spec.protocol.batch_size,
            initialises=True,
            data_dir=self.data_dir,
        )
        return prepared.training.net


class TrainedNetsStudy(TrainingStudy):
    """A question that trained nets answer: ordinary sweeps, whose nets are then measured.

    A subclass defines `examine` for one run, and `columns` for what it returns; its settings keep
    the weights. Rows have the columns `model`, `sweep`, `label`, `seed` and `run` (the key) too.
    """

    def examine(self, run: TrainedRun, settings: Any) -> pd.DataFrame:
        """What is measured of one run; cells may be arrays of NumPy."""
        raise NotImplementedError

    def trainings(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of the trainings, those that failed included; see `TrainingStudy`."""
        return TrainingStudy.read(self, Path(rows.attrs["folder"]))

    def run(self, settings: Any, context: Context) -> bool:
        """Train and measure what is not measured yet; returns whether all runs ended well.

        Raises:
            DataError, ModelError, UsageError: a sweep that cannot be served, or missing weights.
            Interrupted: by a signal; the same command goes on.
        """
        is_well = TrainingStudy.run(self, settings, context)
        Study.run(self, settings, context)
        return is_well

    def inputs(self, settings: Any, context: Context) -> list[object]:
        """The weights of the runs, and their data."""
        found = self._runs(settings, context)
        return [(run.record.scores.weights_digest, run.spec.data_digest) for run in found]

    def measure(self, settings: Any, context: Context) -> pd.DataFrame:
        """The rows of all runs that ended well."""
        known = TrainingStudy.read(self, context.folder)
        found = {run.spec.key: run for run in self._runs(settings, context)}
        parts = [self.examine(run, settings).assign(run=key) for key, run in found.items()]
        rows = pd.concat(parts, ignore_index=True)
        about = known[["key", "model", "sweep", "label", "seed", "data_source"]]
        return rows.merge(about.rename(columns={"key": "run"}), "left", on="run")

    def is_measured(self, folder: Path) -> bool:
        """Whether nets were measured."""
        return Study.is_measured(self, folder)

    def read(self, folder: Path) -> pd.DataFrame:
        """The rows that were measured; see `Study.read`."""
        rows = Study.read(self, folder)
        rows.attrs["folder"] = str(folder)
        return rows

    def rebuild(self, folder: Path) -> str:
        """As `Study.rebuild`; the tables of the comparisons underneath are rebuilt too."""
        self.rebuild_comparisons(folder)
        return Study.rebuild(self, folder)

    def markdown(self, rows: pd.DataFrame) -> str:
        """The table of what was measured."""
        return Study.markdown(self, rows)

    def caption(self, rows: pd.DataFrame) -> str:
        """As `Study.caption`."""
        return Study.caption(self, rows)

    def _runs(self, settings: Any, context: Context) -> Iterator[TrainedRun]:
        store = RecordStore(context.folder)
        for spec, dataset in self.planned(self.configs(settings, context)):
            record = store.find(spec)
            if record is not None and record.status == OK:
                yield TrainedRun(store.path(spec), record, spec, dataset, context.data_dir)
