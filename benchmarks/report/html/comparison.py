"""What the sections of a page are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from benchmarks.analysis.evidence import Evidence
from benchmarks.records.record import OK, RunRecord
from benchmarks.report import table
from benchmarks.report.comparable import annotated, comparable
from benchmarks.report.html.words import title
from benchmarks.report.order import in_order, score
from benchmarks.report.standing import Standing, evidence


@dataclass(frozen=True)
class Comparison:
    """The runs of one folder of results, `<results>/<dataset>/<protocol>`.

    Args:
        folder: with the predictions.
        records: of all its runs.
        rows: the same, with the columns of `results.csv`.
        standing: intervals and places; None where no run ended well.
    """

    folder: Path
    records: Sequence[RunRecord]
    rows: pd.DataFrame
    standing: Standing | None

    @cached_property
    def current(self) -> pd.DataFrame:
        """The runs of the table, with what is marked about them (`comparable.annotated`)."""
        return annotated(comparable(self.rows))

    @cached_property
    def done(self) -> pd.DataFrame:
        """Those that ended well."""
        return self.current[self.current["status"] == OK]

    @cached_property
    def by_label(self) -> Mapping[str, pd.DataFrame]:
        """The runs of each row of the table, in its order."""
        groups = dict(list(self.current.groupby("label", sort=False)))
        return {label: groups[label] for label in in_order(self.current)}

    @cached_property
    def score(self) -> str:
        """The column that orders the rows."""
        return score(self.current)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The table as text, by label and column of `table.md`."""
        return table.cells(self.current, self.standing)

    def title(self, name: str) -> str:
        """The name of a column in words; the accuracy of a segmentation is its pixel accuracy."""
        words = title(name)
        return (
            words.replace("accuracy", "pixel accuracy") if table.is_of_masks(self.rows) else words
        )

    @cached_property
    def evidence(self) -> Evidence:
        """Records and predictions of the runs that ended well, by label of their row."""
        return evidence(self.folder, self.records, self.rows)

    def keys(self, label: str) -> list[str]:
        """The keys of the runs of a net that ended well, by seed."""
        return self.done.loc[self.done["label"] == label, "key"].tolist()

    @cached_property
    def by_key(self) -> Mapping[str, RunRecord]:
        """The records by key of the run."""
        return {record.setup.key: record for record in self.records}
