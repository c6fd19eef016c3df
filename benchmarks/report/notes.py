"""What stands around a table: meanings above; failures, recipe, conditions, warnings below."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.analysis.speeds import WIDE
from benchmarks.planning import recipe
from benchmarks.records.parts import COMPANY
from benchmarks.records.record import OK
from benchmarks.report.comparable import conditions

# The meaning of columns, by their names in words.
_MEANINGS = {
    "place": "the best and the worst place that the data allow; rows that share a letter are not "
    "separated",
    "devices": "how many, and of which type; on a CPU, processes that divide its threads",
    "parameters": "trainable numbers",
    "MACs": "multiply-adds of convolutions and matrix products for one image",
    "loss": "over the last epoch's training examples, in train mode",
    "train accuracy": "over the same examples",
    "test accuracy": "over all test images, in eval mode, after the last epoch",
    "validation accuracy": "over all held-out images, in eval mode, after the last epoch",
    "train pixel accuracy": "over the pixels of the same examples, background included",
    "test pixel accuracy": "over all pixels of the test images, background included, in eval mode, "
    "after the last epoch",
    "validation pixel accuracy": "over all pixels of the held-out images, background included, "
    "in eval mode, after the last epoch",
    "balanced accuracy": "the mean over the classes of the accuracy on a class, since the sizes of "
    "the classes differ by more than half",
    "mean IoU": "the intersection over union of a class's predicted and true pixels in all "
    "evaluated images together, averaged over the classes, background included",
    "examples/sec": "training examples a second of the whole training loop, without warm-up and "
    "evaluation; ±: its interval, by timed rounds and the drift of a reference workload, or over "
    "three or more seeds",
    "speed-up": "examples/sec over that of the same model on one device",
    "scaling efficiency": "speed-up over devices",
    "relative speed": "the training loop's rate over that of a reference workload, a small fixed "
    "net; as many digits as are certain",
    "memory (MiB)": "peak memory of the training, in MiB",
    "seconds": "the training from start to end",
}

_AT_CHANCE = (
    "At chance: the accuracy's 95 % interval (Wilson) starts at or below the share of the most "
    "frequent class."
)


def legend(columns: Iterable[str], short: Callable[[str], str] = str) -> str:
    """A list item for each column that needs one.

    Args:
        columns: names in words.
        short: the header of a column.
    """
    found = {column: _MEANINGS[column] for column in columns if column in _MEANINGS}
    return "\n".join(f"- **{short(column)}**: {text}." for column, text in found.items())


def under(
    current: pd.DataFrame,
    settings: Mapping[str, Mapping[str, Any]],
    left_out: int,
    is_rough: bool,
) -> list[str]:
    """The paragraphs under a table.

    Args:
        current: the runs in the table, as `comparable.annotated` returns them.
        settings: by key of a run, the protocol it was trained under.
        left_out: number of runs that are not in the table.
        is_rough: whether a speed is marked with †.
    """
    done = current[current["status"] == OK]
    shown = done if len(done) else current
    recipes = [settings[key] for key in shown["key"] if key in settings]
    paragraphs = [
        _AT_CHANCE if shown["at_chance"].any() else "",
        _in_one_line(f"Protocol {values(shown['protocol'])}", recipe.in_words(recipes)),
        _in_one_line("Measured", _facts(shown)),
        " ".join(warnings(shown, left_out, is_rough)),
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


def failures(rows: pd.DataFrame) -> str:
    """A list item for each run that failed, with its reason."""
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


def _listed(facts: pd.Series, quote: Callable[[object], str]) -> str:
    return ", ".join(f"{name} {quote(value)}" for name, value in facts.items())


def warnings(
    runs: pd.DataFrame, left_out: int, is_rough: bool, quote: Callable[[object], str] = escape
) -> Iterator[str]:
    """What a reader must know before comparing rows.

    Args:
        runs: those that ended well, or all if none did; as `comparable.annotated` returns them.
        left_out: see `under`.
        is_rough: see `under`.
        quote: what makes of a text from outside one that stands in the page as it is.
    """
    yield from _of_marks(runs, quote)
    if (shared := runs["jobs"].max()) > 1:
        yield (
            f"Up to {shared:.0f} runs shared the machine: do not compare their speeds with others."
        )
    if is_rough:
        yield (
            f"†: a rough speed, known to {100 * WIDE:.0f} % at best, because its rounds or the "
            "reference workload changed that much."
        )
    if had_company(runs).any():
        yield (
            "‡: a rough speed, because other processes used more than "
            f"{100 * COMPANY:.0f} % of the CPU time of the run's cores meanwhile; what bounds it "
            "is left out."
        )
    for row in runs[runs["micro_batches"] > 1].itertuples():
        yield (
            f"{quote(row.label)} (seed {row.seed}) did not fit in memory: its batches were split "
            f"into {row.micro_batches:.0f} micro-batches with accumulated gradients; BatchNorm "
            "normalises over a micro-batch."
        )
    for row in runs[runs["resumed"] > 0].itertuples():
        times = "once" if row.resumed == 1 else f"{row.resumed:.0f} times"
        yield f"{quote(row.label)} (seed {row.seed}) was resumed {times}."
    if operations := uncounted(runs):
        yield f"≥: at least so many; {quote(operations)} cannot be counted."
    if left_out:
        yield f"{left_out} older runs in `results.csv` are not in this table."


def uncounted(runs: pd.DataFrame) -> str:
    """The operations that the MACs and FLOPs of any run omit, by commas."""
    names = runs["uncounted"].dropna() if "uncounted" in runs else []  # older CSV files lack it
    return ", ".join(sorted({name for text in names for name in text.split(", ")}))


def _of_marks(runs: pd.DataFrame, quote: Callable[[object], str]) -> Iterator[str]:
    """What differs in the conditions of marked rows."""
    found = conditions(runs)
    common = found[runs["mark"] == ""].iloc[0]
    marked = found.groupby(runs["mark"]).first().drop(index="")
    for mark, own in marked.iterrows():
        yield f"{mark}: measured with {_listed(own[own != common], quote)}."
    if len(marked):
        yield (
            "Speeds of rows with different marks are not to be compared, so that marked rows have "
            "no relative speed."
        )
