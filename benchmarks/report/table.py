"""The comparison table in markdown: one row a model and placement, with notes below."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.analysis.intervals import Interval, over_seeds
from benchmarks.planning.variation import as_text
from benchmarks.records.record import OK
from benchmarks.report import notes
from benchmarks.report.comparable import ROW, annotated, comparable
from benchmarks.report.notes import DRIFT, escape
from benchmarks.report.standing import Standing
from datamodules.dataset import SEGMENTATION


def markdown(
    rows: pd.DataFrame,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    standing: Standing | None = None,
) -> str:
    """The table of one comparison; ± is half of the 95 % interval of the mean over the seeds.

    The best model is first. Where a field is varied, its values are a column, in order, and the
    models stand by their best value.

    Args:
        rows: runs, with the columns of `results.csv`.
        settings: by key of a run, the protocol it was trained under.
        standing: places, and intervals of the accuracies over seeds and test images.
    """
    current = annotated(comparable(rows))
    by_row = current.groupby(ROW, sort=False, dropna=False)
    table = pd.DataFrame([_row(runs, current, standing) for _, runs in by_row])
    if current["varied"].notna().any():
        table["_score"] = (
            table["_score"].groupby(by_row["model"].first().to_numpy()).transform("max")
        )
    table = table.sort_values("_score", ascending=False, kind="stable")
    table = table.drop(columns="_score").dropna(axis="columns", how="all").fillna("")
    if current["placement"].nunique() == 1:
        table = table.drop(columns="devices")
    align = ["left"] + ["right"] * (len(table.columns) - 1)
    shown = table.to_markdown(index=False, disable_numparse=True, colalign=align)
    under = notes.under(current, settings or {}, len(rows) - len(current), is_of_masks(rows))
    if standing is not None:
        under = [standing.method, standing.published, *under]
    return "\n\n".join(filter(None, [shown, *under]))


def in_words(column: str, rows: pd.DataFrame) -> str:
    """The name of a column in words; the accuracy of a segmentation is its pixel accuracy."""
    words = column.replace("_", " ").replace("iou", "IoU")
    return words.replace("accuracy", "pixel accuracy") if is_of_masks(rows) else words


def is_of_masks(rows: pd.DataFrame) -> bool:
    return (rows["task"] == SEGMENTATION).any()


def _row(runs: pd.DataFrame, current: pd.DataFrame, standing: Standing | None) -> dict[str, object]:
    """The cells of the runs of one model and placement, among all runs of the table."""
    first, done = runs.iloc[0], runs[runs["status"] == OK]
    model, devices = escape(first["model"]), first["placement"]
    knob = {}
    if pd.notna(first["varied"]):
        knob = {first["varied"].replace("_", " "): as_text(first["varied_value"])}
    if done.empty:
        failed = {"devices": devices, "parameters": first["status"], "_score": -1.0}
        return {"model": model, **knob, **failed}
    signs = sorted(done["mark"].unique())
    accuracy, balanced, mean_iou = (
        done[f"test_{score}"].fillna(done[f"validation_{score}"])
        for score in ("accuracy", "balanced_accuracy", "mean_iou")
    )
    is_rough = {"†": done["reference_drift"] > DRIFT, "‡": notes.had_company(done)}
    rough = "".join(f" {sign}" for sign, found in is_rough.items() if found.any())
    # Speeds under different conditions are not averaged.
    timed = done if len(signs) == 1 else done.iloc[:0]
    speed_up = _speed_up(timed, current)
    label = done["label"].iloc[0]
    interval = standing.intervals.get(label) if standing else None
    return {
        "model": " ".join([model, *filter(None, signs)]),
        "place": standing.places.get(label) if standing else None,
        **knob,
        "devices": devices,
        "parameters": f"{done['parameters'].iloc[0]:,.0f}",
        "MACs": ("≥ " if notes.uncounted(done) else "") + f"{done['macs'].iloc[0]:,.0f}",
        "loss": _mean(done["loss"], 3),
        in_words("train_accuracy", done): _mean(done["train_accuracy"], 3),
        **{
            in_words(column, done): _mean(done[column], 3, _chance(done), interval)
            for column in ("test_accuracy", "validation_accuracy")
        },
        "balanced accuracy": _mean(balanced, 3),
        "mean IoU": _mean(mean_iou, 3),
        "examples/sec": _rate(timed, rough),
        "speed-up": _mean(speed_up, 2),
        "scaling efficiency": _mean(speed_up / (timed["devices"] * timed["num_nodes"]), 2),
        "relative speed": None if any(signs) else _mean(timed["relative_speed"], 3),
        "loop efficiency": _mean(done["loop_efficiency"], 2),
        "bound by": " / ".join(done["bound_by"].dropna().unique()) or None,
        "memory MiB": _mean(pd.Series([done["peak_memory_mb"].max()]), 0),
        "seconds": _mean(timed["fit_seconds"], 0),
        "total seconds": _mean(timed["total_seconds"], 0),
        "_score": mean_iou.fillna(accuracy).mean(),
    }


def _rate(timed: pd.DataFrame, mark: str) -> str | None:
    """Examples/sec ± half the range of the timed rounds, from lower to upper quartile."""
    rates = timed["examples_per_sec"].dropna()
    if rates.empty:
        return None
    half = (timed["examples_per_sec_q3"].max() - timed["examples_per_sec_q1"].min()) / 2
    return f"{rates.mean():,.0f}" + ("" if pd.isna(half) else f" ± {half:,.0f}") + mark


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
    values: pd.Series, digits: int, mark: str = "", interval: Interval | None = None
) -> str | None:
    """The mean and half of its interval; without one that is given, over the seeds."""
    values = values.dropna()
    if values.empty:
        return None
    interval = interval or over_seeds(values)
    half = f" ± {interval.half:,.{digits}f}" if interval.is_known else ""
    return f"{values.mean():,.{digits}f}{half}{mark}"
