"""The comparison table in markdown: one row a model, then failures, definitions and provenance."""

import re

import pandas as pd

from benchmarks.records.record import OK
from datamodules.dataset import SEGMENTATION

_CAPTION = """\
Loss and train accuracy: over the last epoch's training examples, in train mode. Test or \
validation accuracy: over all these images, in eval mode, after the last epoch. Examples/sec: \
training examples a second of the whole training loop, without warm-up and evaluation. Relative \
speed: examples/sec over that of a reference workload timed just before and after the training. \
Loop efficiency: examples/sec over that of a bare PyTorch loop on one resident batch, timed in \
turns. Bound by: what takes most of the loop's time, net, data or framework. MACs: multiply-adds \
of convolutions and matrix products for one image. Seconds: the training from start to end."""

DRIFT = 0.05  # of the reference workload; a row with more is marked

_CAPTION_OF_MASKS = """\
Pixel accuracy: over all pixels, background included. Mean IoU: the intersection over union of a \
class's predicted and true pixels in all evaluated images together, averaged over the classes, \
background included."""


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the newest protocol and data, the last of each model and seed."""
    rows = rows.sort_values("finished_at", kind="stable")
    digests = rows[["protocol_digest", "data_digest"]]
    newest = (digests == digests.iloc[-1]).all(axis="columns")
    latest = rows[newest].drop_duplicates(["model", "seed"], keep="last")
    return latest.sort_values(["model", "seed"])


def markdown(rows: pd.DataFrame) -> str:
    """The table of one comparison; seeds of a model are shown as mean ± standard deviation."""
    current = comparable(rows)
    done = current[current["status"] == OK]
    by_model = current.groupby("model", sort=False)
    table = pd.DataFrame([_row(model, runs) for model, runs in by_model]).sort_values(
        "_score", ascending=False, kind="stable"
    )
    table = table.drop(columns="_score").dropna(axis="columns", how="all").fillna("")
    align = ["left"] + ["right"] * (len(table.columns) - 1)
    parts = [
        table.to_markdown(index=False, disable_numparse=True, colalign=align),
        _failures(current),
        f"{_CAPTION} {_CAPTION_OF_MASKS}" if _is_of_masks(rows) else _CAPTION,
        _provenance(done if len(done) else current, left_out=len(rows) - len(current)),
    ]
    return "\n\n".join(filter(None, parts))


def in_words(column: str, rows: pd.DataFrame) -> str:
    """The name of a column in words; the accuracy of a segmentation is its pixel accuracy."""
    words = column.replace("_", " ").replace("iou", "IoU")
    return words.replace("accuracy", "pixel accuracy") if _is_of_masks(rows) else words


def _is_of_masks(rows: pd.DataFrame) -> bool:
    return (rows["task"] == SEGMENTATION).any()


def _row(model: str, runs: pd.DataFrame) -> dict[str, object]:
    done = runs[runs["status"] == OK]
    if done.empty:
        return {"model": _escape(model), "parameters": runs["status"].iloc[-1], "_score": -1.0}
    accuracy, mean_iou = (
        done[f"test_{score}"].fillna(done[f"validation_{score}"])
        for score in ("accuracy", "mean_iou")
    )
    return {
        "model": _escape(model),
        "parameters": f"{done['parameters'].iloc[0]:,.0f}",
        "MACs": f"{done['macs'].iloc[0]:,.0f}",
        "loss": _mean(done["loss"], 3),
        **{
            in_words(column, done): _mean(done[column], 3)
            for column in ("train_accuracy", "test_accuracy", "validation_accuracy")
        },
        "mean IoU": _mean(mean_iou, 3),
        "examples/sec": _mean(
            done["examples_per_sec"], 0, " †" if (done["reference_drift"] > DRIFT).any() else ""
        ),
        "relative speed": _mean(done["relative_speed"], 3),
        "loop efficiency": _mean(done["loop_efficiency"], 2),
        "bound by": " / ".join(done["bound_by"].dropna().unique()) or None,
        "seconds": _mean(done["fit_seconds"], 0),
        "_score": mean_iou.fillna(accuracy).mean(),
    }


def _mean(values: pd.Series, digits: int, mark: str = "") -> str | None:
    values = values.dropna()
    if values.empty:
        return None
    text = f"{values.mean():,.{digits}f}"
    return text + (f" ± {values.std():,.{digits}f}" if len(values) > 1 else "") + mark


def _failures(rows: pd.DataFrame) -> str:
    return "\n".join(
        f"- {_escape(row.model)} (seed {row.seed}) {row.status}: {_escape(row.error)}"
        for row in rows[rows["status"] != OK].itertuples()
    )


def _escape(text: object) -> str:
    """One line of text from outside that markdown shows literally, without markup or HTML."""
    text = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\|`*\[\]])", r"\\\1", text)


def _provenance(rows: pd.DataFrame, left_out: int) -> str:
    versions = ("torch", "lightning", "torchvision", "python")
    facts = {
        "protocol": values(rows["protocol"]),
        "image size": values(rows["image_size"], " px"),
        "batch size": values(rows["batch_size"]),
        "epochs": values(rows["epochs"]),
        "training examples": values(rows["train_examples"]),
        "precision": values(rows["precision"]),
        "layout": values(rows["memory_format"]),
        "seeds": values(rows["seed"]),
        "device": values(rows["device"]),
        "versions": ", ".join(f"{name} {values(rows[f'{name}_version'])}" for name in versions),
        "commit": values(rows["commit"]),
        "data": values(rows["data_source"]),
        "finished": f"{rows['finished_at'].min()} to {rows['finished_at'].max()}",
    }
    text = "; ".join(f"{name}: {value}" for name, value in facts.items() if value)
    notes = []
    if rows["device"].dropna().nunique() > 1:
        notes.append("Rows were measured on different devices: do not compare their speeds.")
    if (shared := rows["jobs"].max()) > 1:
        notes.append(
            f"Up to {shared:.0f} runs shared the machine: do not compare their speeds with others."
        )
    if (rows["reference_drift"] > DRIFT).any():
        notes.append(
            "†: a rough speed, because the reference workload became faster or slower by more than "
            f"{100 * DRIFT:.0f} % during the training."
        )
    notes += [
        f"{_escape(row.model)} (seed {row.seed}) did not fit in memory: its batches were split "
        f"into {row.micro_batches:.0f} micro-batches with accumulated gradients; BatchNorm "
        "normalises over a micro-batch."
        for row in rows[rows["micro_batches"] > 1].itertuples()
    ]
    for row in rows[rows["resumed"] > 0].itertuples():
        times = "once" if row.resumed == 1 else f"{row.resumed:.0f} times"
        notes.append(f"{_escape(row.model)} (seed {row.seed}) was resumed {times}.")
    if left_out:
        notes.append(f"{left_out} older runs in `results.csv` are not in this table.")
    return " ".join([text + ".", *notes])


def values(column: pd.Series, unit: str = "") -> str:
    """The distinct values of a column, in words."""
    return " / ".join(
        (f"{value:,.0f}" if isinstance(value, (int, float)) else _escape(value)) + unit
        for value in column.dropna().drop_duplicates()
    )
