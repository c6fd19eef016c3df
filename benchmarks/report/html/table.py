"""The table of the page: a row for each net, or for each run, with every column of the CSV."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from benchmarks.analysis.intervals import over_seeds
from benchmarks.records.record import COLUMNS, OK, PARTS, RunRecord
from benchmarks.report.html.comparison import Comparison

# The columns that stand in `table.md`; the reader chooses others.
SHOWN = (
    *("model", "place", "seed", "status", "varied_value", "placement", "parameters", "macs"),
    *("loss", "train_accuracy", "test_accuracy", "validation_accuracy", "test_mean_iou"),
    *("validation_mean_iou", "test_balanced_accuracy", "examples_per_sec", "relative_speed"),
    *("peak_memory_mb", "fit_seconds"),
)
# Of these the runs of a net have one value, or a sum of their chance: an interval over the seeds.
_OVER_SEEDS = (
    *("loss", "train_accuracy", "test_accuracy", "validation_accuracy", "test_mean_iou"),
    *("validation_mean_iou", "test_balanced_accuracy", "validation_balanced_accuracy"),
)
_OWN = {
    "place": "from the best to the worst that the data allow; nets that share a letter are not "
    "separated",
    "placement": "devices, and their type",
}


def data(comparison: Comparison) -> dict[str, Any]:
    """Columns, and rows of cells in their order: `nets` by label, and `runs`.

    A cell is a number, a text, or null. `half` has half the interval of some cells of a net, by
    column.
    """
    current = comparison.current
    documented = {f.name: f.metadata for part in (*PARTS.values(), RunRecord) for f in fields(part)}
    names = ["model", "place", *(name for name in COLUMNS if name != "model"), "placement"]
    runs = current.assign(place=None)[names].dropna(axis="columns", how="all")
    if comparison.standing and comparison.standing.places:
        runs.insert(1, "place", current["label"].map(comparison.standing.places))
    if current["placement"].nunique() == 1:
        runs = runs.drop(columns="placement")
    columns = [
        {
            "name": name,
            "title": name.replace("_", " ").replace("iou", "IoU"),
            "doc": _OWN.get(name) or documented[name]["doc"],
            "unit": documented[name]["unit"] if name in documented else "",
            "digits": 3 if name in _OVER_SEEDS else None,
            "is_number": _is_number(runs[name]),
            "is_shown": name in SHOWN and not _says_nothing(runs, name),
        }
        for name in runs
    ]
    nets = [
        _net(label, runs.loc[own.index], comparison) for label, own in comparison.by_label.items()
    ]
    order = [index for own in comparison.by_label.values() for index in own.index]
    return {
        "columns": columns,
        "nets": nets,
        "runs": [
            {"label": label, "status": status, "cells": cells}
            for label, status, cells in zip(
                current.loc[order, "label"],
                current.loc[order, "status"],
                plain(runs.loc[order]),
                strict=True,
            )
        ],
    }


def plain(frame: pd.DataFrame) -> list[list[Any]]:
    """The cells by row, as JSON has them; null where there is no value."""
    text: str = frame.to_json(orient="values", double_precision=15)
    return json.loads(text)


def _is_number(column: pd.Series) -> bool:
    return is_numeric_dtype(column) and not is_bool_dtype(column) and column.name != "seed"


def _says_nothing(runs: pd.DataFrame, name: str) -> bool:
    return name == "status" and bool((runs["status"] == OK).all())


def _net(label: str, runs: pd.DataFrame, comparison: Comparison) -> dict[str, Any]:
    """The row of one net: means of numbers over the runs that ended well, and distinct texts."""
    done = runs[runs["status"] == OK]
    shown = done if len(done) else runs
    cells = [_cell(column.dropna()) for _, column in shown.items()]
    half = {
        name: interval.half
        for name in _OVER_SEEDS
        if name in done and (interval := over_seeds(done[name].dropna())).is_known
    }
    stands = comparison.standing
    if stands and label in stands.intervals and stands.intervals[label].is_known:
        half[comparison.score] = stands.intervals[label].half
    statuses = ", ".join(runs["status"].unique())
    return {"label": label, "status": statuses, "cells": cells, "half": half}


def _cell(values: pd.Series) -> float | str | None:
    """What stands for all runs of a net: the mean of numbers, or the distinct texts."""
    if values.empty:
        return None
    return float(values.mean()) if _is_number(values) else ", ".join(map(str, values.unique()))
