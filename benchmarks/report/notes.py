"""What stands under a table: failures, definitions, recipe, conditions and warnings."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.planning import recipe
from benchmarks.records.parts import COMPANY
from benchmarks.records.record import OK
from benchmarks.report.comparable import conditions

_CAPTION = """\
Loss and train accuracy: over the last epoch's training examples, in train mode. Test or \
validation accuracy: over all these images, in eval mode, after the last epoch. Examples/sec: \
training examples a second of the whole training loop, without warm-up and evaluation; ±: half \
the range of its timed rounds, from the lowest lower to the highest upper quartile. Relative \
speed: examples/sec over that of a reference workload timed just before and after the training. \
Loop efficiency: examples/sec over that of a bare PyTorch loop on one resident batch, timed in \
turns. Bound by: what takes most of the loop's time, net, data or framework. Memory: the peak of \
the training. MACs: multiply-adds of convolutions and matrix products for one image. Seconds: the \
training from start to end. Total seconds: the run from start to end, with imports, test and \
timing of loops."""

_OF_MASKS = """\
Pixel accuracy: over all pixels, background included. Mean IoU: the intersection over union of a \
class's predicted and true pixels in all evaluated images together, averaged over the classes, \
background included."""

_OF_DEVICES = """\
Devices: how many, and of which type; on a CPU, processes that divide its threads. Speed-up: \
examples/sec over that of the same model on one device. \
Scaling efficiency: speed-up over devices."""

_AT_CHANCE = """\
At chance: the accuracy's 95 % interval (Wilson) starts at or below the share of the most frequent \
class."""

_BALANCED = """\
Balanced accuracy: the mean over the classes of the accuracy on the images of a class, whose \
numbers differ by more than half."""

DRIFT = 0.05  # of the reference workload; a row with more is marked


def under(
    current: pd.DataFrame,
    settings: Mapping[str, Mapping[str, Any]],
    left_out: int,
    of_masks: bool,
) -> list[str]:
    """The paragraphs under a table.

    Args:
        current: the runs in the table, as `comparable.annotated` returns them.
        settings: by key of a run, the protocol it was trained under.
        left_out: number of runs that are not in the table.
        of_masks: whether the task is segmentation.
    """
    done = current[current["status"] == OK]
    shown = done if len(done) else current
    recipes = [settings[key] for key in shown["key"] if key in settings]
    captions = {
        _CAPTION: True,
        _OF_MASKS: of_masks,
        _OF_DEVICES: current["placement"].nunique() > 1,
        _AT_CHANCE: shown["at_chance"].any(),
        _BALANCED: shown[[f"{split}_balanced_accuracy" for split in ("test", "validation")]]
        .notna()
        .any(axis=None),
    }
    paragraphs = [
        _failures(current),
        " ".join(text for text, is_needed in captions.items() if is_needed),
        _in_one_line(f"Protocol {values(shown['protocol'])}", recipe.in_words(recipes)),
        _in_one_line("Measured", _facts(shown)),
        " ".join(_warnings(shown, left_out)),
    ]
    return [paragraph for paragraph in paragraphs if paragraph]


def had_company(runs: pd.DataFrame) -> pd.Series:
    """Whether each run shared its cores with other processes; false if that is unknown."""
    return pd.to_numeric(runs["other_load"]) > COMPANY


def values(column: pd.Series, unit: str = "") -> str:
    """The distinct values of a column, in words."""
    return " / ".join(
        (f"{value:,.0f}" if isinstance(value, (int, float)) else escape(value)) + unit
        for value in column.dropna().drop_duplicates()
    )


def escape(text: object) -> str:
    """One line of text from outside that markdown shows literally, without markup or HTML."""
    text = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    brackets = r"\[\]" if re.search(r"\]\s*[(\[:]", text) else ""  # those of a link
    return re.sub(rf"([\\|`*{brackets}])", r"\\\1", text)


def _failures(rows: pd.DataFrame) -> str:
    return "\n".join(
        f"- {escape(row.label)} (seed {row.seed}) {row.status}: {escape(row.error)}"
        for row in rows[rows["status"] != OK].itertuples()
    )


def _in_one_line(title: str, facts: Mapping[str, str]) -> str:
    text = "; ".join(f"{name}: {value}" for name, value in facts.items() if value)
    return f"**{title}**" + (f": {text}." if text else "")


def _facts(runs: pd.DataFrame) -> dict[str, str]:
    """Where and when the runs were measured; of conditions, those of the rows without a mark."""
    common = conditions(runs[runs["mark"] == ""])
    return {
        "seeds": values(runs["seed"]),
        **{name: values(column) for name, column in common.items()},
        "data": values(runs["data_source"]),
        "finished": f"{runs['finished_at'].min()} to {runs['finished_at'].max()}",
    }


def _listed(facts: pd.Series) -> str:
    return ", ".join(f"{name} {escape(value)}" for name, value in facts.items())


def _warnings(runs: pd.DataFrame, left_out: int) -> Iterator[str]:
    yield from _of_marks(runs)
    if (shared := runs["jobs"].max()) > 1:
        yield (
            f"Up to {shared:.0f} runs shared the machine: do not compare their speeds with others."
        )
    if (runs["reference_drift"] > DRIFT).any():
        yield (
            "†: a rough speed, because the reference workload became faster or slower by more than "
            f"{100 * DRIFT:.0f} % during the training."
        )
    if had_company(runs).any():
        yield (
            "‡: a rough speed, because other processes used more than "
            f"{100 * COMPANY:.0f} % of the CPU time of the run's cores meanwhile; what bounds it "
            "is left out."
        )
    for row in runs[runs["micro_batches"] > 1].itertuples():
        yield (
            f"{escape(row.label)} (seed {row.seed}) did not fit in memory: its batches were split "
            f"into {row.micro_batches:.0f} micro-batches with accumulated gradients; BatchNorm "
            "normalises over a micro-batch."
        )
    for row in runs[runs["resumed"] > 0].itertuples():
        times = "once" if row.resumed == 1 else f"{row.resumed:.0f} times"
        yield f"{escape(row.label)} (seed {row.seed}) was resumed {times}."
    if operations := uncounted(runs):
        yield f"≥: at least so many; {escape(operations)} cannot be counted."
    if left_out:
        yield f"{left_out} older runs in `results.csv` are not in this table."


def uncounted(runs: pd.DataFrame) -> str:
    """The operations that the MACs and FLOPs of any run omit, by commas."""
    names = runs["uncounted"].dropna() if "uncounted" in runs else []  # older CSV files lack it
    return ", ".join(sorted({name for text in names for name in text.split(", ")}))


def _of_marks(runs: pd.DataFrame) -> Iterator[str]:
    """What differs in the conditions of marked rows."""
    found = conditions(runs)
    common = found[runs["mark"] == ""].iloc[0]
    marked = found.groupby(runs["mark"]).first().drop(index="")
    for mark, own in marked.iterrows():
        yield f"{mark}: measured with {_listed(own[own != common])}."
    if len(marked):
        yield (
            "Speeds of rows with different marks are not to be compared, so that marked rows have "
            "no relative speed."
        )
