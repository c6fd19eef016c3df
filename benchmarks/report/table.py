"""The comparison table: its cells, and `table.md` with a legend above and notes below."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks.analysis.intervals import Interval, over_seeds
from benchmarks.analysis.speeds import is_wide
from benchmarks.planning.variation import as_text
from benchmarks.records.record import OK
from benchmarks.report import notes, published
from benchmarks.report.comparable import annotated, comparable
from benchmarks.report.notes import escape
from benchmarks.report.order import in_order
from benchmarks.report.standing import Standing
from benchmarks.report.text import aligned, compact, filled, measured, widths
from datamodules.dataset import SEGMENTATION

# Columns that the CSV file has and `table.md` does not.
REST = ("loop efficiency", "bound by", "total seconds")

_SHORT = {
    "parameters": "params",
    "relative speed": "relative",
    "memory (MiB)": "MiB",
    "scaling efficiency": "scaling eff.",
}


def markdown(
    rows: pd.DataFrame,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    standing: Standing | None = None,
) -> str:
    """The table of one comparison, `table.md`.

    Args:
        rows: runs, with the columns of `results.csv`.
        settings: by key of a run, the protocol it was trained under.
        standing: places and intervals; None: accuracies have the interval over the seeds.
    """
    current = annotated(comparable(rows))
    table = shown(current, standing)
    is_rough = table.get("examples/sec", pd.Series(dtype=str)).str.contains("†").any()
    under = notes.under(current, settings or {}, len(rows) - len(current), is_rough)
    parts = [
        filled(notes.legend(table.columns, short)),
        pipe(table.rename(columns=short)),
        notes.failures(current),
        filled(standing.method) if standing else "",
        published.markdown(standing.published) if standing else "",
        *map(filled, under),
    ]
    return "\n\n".join(filter(None, parts))


def shown(current: pd.DataFrame, standing: Standing | None = None) -> pd.DataFrame:
    """The cells of `table.md`, with the names of columns in words."""
    return cells(current, standing).drop(columns=list(REST), errors="ignore")


def cells(current: pd.DataFrame, standing: Standing | None = None) -> pd.DataFrame:
    """The table as text: a row for each model, devices and value, in order; by label.

    Args:
        current: runs of one table, as `comparable.annotated` returns them.
        standing: see `markdown`.
    """
    runs = dict(list(current.groupby("label", sort=False)))
    table = pd.DataFrame(
        [_Row(runs[label], current, standing).cells() for label in in_order(current)],
        index=in_order(current),
    )
    table = table.dropna(axis="columns", how="all").fillna("")
    return table.drop(columns="devices") if current["placement"].nunique() == 1 else table


def pipe(table: pd.DataFrame) -> str:
    """A table in markdown, without spaces beside the bars, which would make it a third wider."""
    rows = [[*table.columns], *table.map(escape).to_numpy().tolist()]
    head, *lines = aligned(rows, "|")
    first, *others = widths(rows)
    rule = "|".join([f":{'-' * (first - 1)}", *(f"{'-' * (width - 1)}:" for width in others)])
    return "\n".join(f"|{line}|" for line in (head, rule, *lines))


def short(column: str) -> str:
    """The header of a column where there is little room."""
    return _SHORT.get(column, column).replace("accuracy", "acc.")


def in_words(column: str, rows: pd.DataFrame) -> str:
    """The name of a column in words; the accuracy of a segmentation is its pixel accuracy."""
    words = column.replace("_", " ").replace("iou", "IoU")
    return words.replace("accuracy", "pixel accuracy") if is_of_masks(rows) else words


def accuracy_in_words(rows: pd.DataFrame) -> str:
    """The name of the column with the accuracy after training."""
    is_held_out = rows["validation_accuracy"].notna().any()
    return in_words("validation_accuracy" if is_held_out else "test_accuracy", rows)


def is_of_masks(rows: pd.DataFrame) -> bool:
    return (rows["task"] == SEGMENTATION).any()


@dataclass(frozen=True)
class _Row:
    """The runs of one row, among all runs of the table."""

    runs: pd.DataFrame
    current: pd.DataFrame
    standing: Standing | None

    @property
    def done(self) -> pd.DataFrame:
        return self.runs[self.runs["status"] == OK]

    @property
    def signs(self) -> list[str]:
        return sorted(self.done["mark"].unique())

    def cells(self) -> dict[str, str | None]:
        first, label = self.runs.iloc[0], self.runs["label"].iloc[0]
        known: dict[str, str | None] = {
            "model": " ".join([first["model"], *filter(None, self.signs)])
        }
        known["place"] = self.standing.places.get(label) if self.standing else None
        if pd.notna(first["varied"]):
            known[first["varied"].replace("_", " ")] = as_text(first["varied_value"])
        known["devices"] = first["placement"]
        if self.done.empty:
            return {**known, accuracy_in_words(self.current): first["status"]}
        return {**known, **self._costs(), **self._scores(label), **self._speeds(label)}

    def _costs(self) -> dict[str, str | None]:
        at_least = "≥ " if notes.uncounted(self.done) else ""
        parameters, macs = (self.done[each].iloc[0] for each in ("parameters", "macs"))
        return {
            "parameters": None if pd.isna(parameters) else compact(parameters),
            "MACs": None if pd.isna(macs) else at_least + compact(macs),
        }

    def _scores(self, label: str) -> dict[str, str | None]:
        done = self.done
        interval = self.standing.intervals.get(label) if self.standing else None
        balanced, mean_iou = (
            done[f"test_{score}"].fillna(done[f"validation_{score}"])
            for score in ("balanced_accuracy", "mean_iou")
        )
        return {
            "loss": _mean(done["loss"], 3, with_half=False),
            in_words("train_accuracy", done): _mean(done["train_accuracy"], 3),
            **{
                in_words(column, done): _mean(done[column], 3, _chance(done), interval)
                for column in ("test_accuracy", "validation_accuracy")
            },
            "balanced accuracy": _mean(balanced, 3),
            "mean IoU": _mean(mean_iou, 3),
        }

    def _speeds(self, label: str) -> dict[str, str | None]:
        # Speeds under different conditions are not averaged.
        timed = self.done if len(self.signs) == 1 else self.done.iloc[:0]
        speed_up = _speed_up(timed, self.current)
        relative = self._interval(label, "relative_speed")
        return {
            "examples/sec": self._rate(label, timed),
            "speed-up": _mean(speed_up, 2),
            "scaling efficiency": _mean(speed_up / (timed["devices"] * timed["num_nodes"]), 2),
            "relative speed": None
            if any(self.signs)
            else _speed(timed["relative_speed"], relative, with_half=False),
            "loop efficiency": _mean(self.done["loop_efficiency"], 2),
            "bound by": " / ".join(self.done["bound_by"].dropna().unique()) or None,
            "memory (MiB)": _mean(pd.Series([self.done["peak_memory_mb"].max()]), 0),
            "seconds": _mean(timed["fit_seconds"], 0, with_half=False),
            "total seconds": _mean(timed["total_seconds"], 0, with_half=False),
        }

    def _interval(self, label: str, speed: str) -> Interval | None:
        return self.standing.speeds[speed].get(label) if self.standing else None

    def _rate(self, label: str, timed: pd.DataFrame) -> str | None:
        interval = self._interval(label, "examples_per_sec")
        text = _speed(timed["examples_per_sec"], interval)
        is_rough = {
            "†": interval is not None and is_wide(interval),
            "‡": notes.had_company(timed).any(),
        }
        return text and text + "".join(f" {sign}" for sign, found in is_rough.items() if found)


def _speed(values: pd.Series, interval: Interval | None, with_half: bool = True) -> str | None:
    """A speed and half its interval; without one that is given, the mean of the runs."""
    values = values.dropna()
    if values.empty:
        return None
    return measured(interval or Interval(values.mean(), math.nan, math.nan), with_half)


def _speed_up(done: pd.DataFrame, current: pd.DataFrame) -> pd.Series:
    """The rate of each run over that of its model on one device under the same conditions.

    NaN for runs on one device, and where there is no such run.
    """
    first = done.iloc[:1]
    is_one = (current["devices"] == 1) & (current["num_nodes"] == 1) & (current["status"] == OK)
    same = ["model", "varied_value", "device_type", "mark"]
    one = current[is_one].merge(first[same], on=same)["examples_per_sec"].mean()
    several = (done["devices"] * done["num_nodes"]) > 1
    return (done["examples_per_sec"] / one).where(several)


def _chance(done: pd.DataFrame) -> str:
    count = done["at_chance"].sum()
    if count == 0:
        return ""
    return " (at chance)" if count == len(done) else f" ({count} of {len(done)} at chance)"


def _mean(
    values: pd.Series,
    digits: int,
    mark: str = "",
    interval: Interval | None = None,
    *,
    with_half: bool = True,
) -> str | None:
    """The mean and half of its interval; without one that is given, over the seeds."""
    values = values.dropna()
    if values.empty:
        return None
    interval = interval or over_seeds(values)
    half = f" ± {interval.half:,.{digits}f}" if with_half and interval.is_known else ""
    return f"{values.mean():,.{digits}f}{half}{mark}"
