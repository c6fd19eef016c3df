"""The table of the page: a row for each net, or for each run, with every column of the CSV."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from benchmarks.records.record import COLUMNS, OK
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.html.words import meaning, unit

# The columns that stand in `table.md`; the reader chooses others.
SHOWN = (
    *("model", "place", "seed", "status", "varied_value", "placement", "parameters", "macs"),
    *("loss", "train_accuracy", "test_accuracy", "validation_accuracy", "test_mean_iou"),
    *("validation_mean_iou", "test_balanced_accuracy", "examples_per_sec", "relative_speed"),
    *("peak_memory_mb", "fit_seconds"),
)
# Of these, the digits after the point.
_FRACTIONS = (
    *("loss", "train_accuracy", "test_accuracy", "validation_accuracy", "test_mean_iou"),
    *("validation_mean_iou", "test_balanced_accuracy", "validation_balanced_accuracy"),
)
# What `table.md` calls its columns, besides those whose name is the same in words.
_IN_TABLE = {
    "macs": "MACs",
    "test_mean_iou": "mean IoU",
    "validation_mean_iou": "mean IoU",
    "test_balanced_accuracy": "balanced accuracy",
    "validation_balanced_accuracy": "balanced accuracy",
    "examples_per_sec": "examples/sec",
    "peak_memory_mb": "memory (MiB)",
    "fit_seconds": "seconds",
}


def data(comparison: Comparison) -> dict[str, Any]:
    """Columns, and rows of cells in their order: `nets` by label, and `runs`.

    A cell is a number, a text, or null. `text` has the cells of a net as `table.md` shows them,
    with intervals and marks, by column.
    """
    runs, groups, texts = _runs(comparison), comparison.by_label, _texts(comparison)
    order = [index for own in groups.values() for index in own.index]
    current = comparison.current.loc[order]
    cells = zip(current["label"], current["status"], plain(runs.loc[order]), strict=True)
    return {
        "columns": columns(comparison),
        "nets": [
            {"text": texts.get(label, {}), **_net(label, runs.loc[own.index], own)}
            for label, own in groups.items()
        ],
        "runs": [{"label": label, "status": status, "cells": own} for label, status, own in cells],
    }


def columns(comparison: Comparison) -> list[dict[str, Any]]:
    """The columns that any run has a value of, with title, unit and meaning."""
    runs = _runs(comparison)
    return [
        {
            "name": name,
            "title": comparison.title(name),
            "doc": meaning(name),
            "unit": unit(name),
            "digits": 3 if name in _FRACTIONS else None,
            "is_number": _is_number(runs[name]),
            "is_shown": name in SHOWN and not _says_nothing(runs, name),
        }
        for name in runs
    ]


def _runs(comparison: Comparison) -> pd.DataFrame:
    """The runs with the columns of the table."""
    current, stands = comparison.current, comparison.standing
    names = ["model", *(name for name in COLUMNS if name != "model")]
    runs = current[names].dropna(axis="columns", how="all")
    if stands and stands.places:
        runs.insert(1, "place", current["label"].map(stands.places))
    if current["placement"].nunique() > 1:
        runs.insert(1, "placement", current["placement"])
    return runs


def plain(frame: pd.DataFrame) -> list[list[Any]]:
    """The cells by row, as JSON has them; null where there is no value."""
    text: str = frame.to_json(orient="values", double_precision=15)
    return json.loads(text)


def _is_number(column: pd.Series) -> bool:
    return is_numeric_dtype(column) and not is_bool_dtype(column) and column.name != "seed"


def _says_nothing(runs: pd.DataFrame, name: str) -> bool:
    return name == "status" and bool((runs["status"] == OK).all())


def _texts(comparison: Comparison) -> dict[str, dict[str, str]]:
    """The cells of the nets that were trained, as `table.md` shows them, by label and column."""
    cells = comparison.cells
    titles = {name: _IN_TABLE.get(name, comparison.title(name)) for name in _runs(comparison)}
    shown = {name: title for name, title in titles.items() if title in cells and name != "model"}
    trained = cells[cells.index.isin(comparison.done["label"])]
    return {
        str(label): {name: row[title] for name, title in shown.items()}
        for label, row in trained.iterrows()
    }


def _net(label: str, runs: pd.DataFrame, marked: pd.DataFrame) -> dict[str, Any]:
    """The row of one net: means of numbers over the runs that ended well, and distinct texts."""
    done = runs[runs["status"] == OK]
    shown = done if len(done) else runs
    return {
        "label": label,
        "mark": " ".join(filter(None, sorted(marked["mark"].unique()))),
        "status": OK if len(done) else runs["status"].iloc[0],
        "cells": [_cell((runs if name == "status" else shown)[name].dropna()) for name in runs],
    }


def _cell(values: pd.Series) -> float | str | None:
    """What stands for all runs of a net: the mean of numbers, or the distinct texts."""
    if values.empty:
        return None
    return float(values.mean()) if _is_number(values) else ", ".join(map(str, values.unique()))
