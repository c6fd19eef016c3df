"""The head of the page: what was compared, and which nets are best."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.report.comparable import conditions
from benchmarks.report.html.comparison import Comparison


@dataclass(frozen=True)
class Head:
    """Dataset, protocol, sentences and short facts."""

    dataset: str
    protocol: str
    sentences: list[str]
    facts: list[str]


def head(comparison: Comparison) -> Head:
    """The head of a comparison."""
    first = comparison.current.iloc[0]
    return Head(first["dataset"], first["protocol"], _sentences(comparison), _facts(comparison))


def _sentences(comparison: Comparison) -> list[str]:
    """Which net is best, and which are not separated from it."""
    if comparison.done.empty:
        return ["No run ended well."]
    stands, score = comparison.standing, comparison.score
    means = comparison.done.groupby("label")[score].mean()
    if means.isna().all():
        return []
    best = means.idxmax()
    interval = stands.intervals.get(best) if stands else None
    half = f" ± {interval.half:.3f}" if interval and interval.is_known else ""
    sentence = f"{best} has the highest {comparison.title(score)}, {means[best]:.3f}{half}"
    if not stands or not stands.places:
        return [f"{sentence}."]
    letters = {label: set(place.split()[-1]) for label, place in stands.places.items()}
    equals = [name for name in letters if name != best and letters[name] & letters[best]]
    if not equals:
        return [f"{sentence}; the data separate it from every other model."]
    return [f"{sentence}; the data do not separate it from {_listed(equals)}."]


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _facts(comparison: Comparison) -> list[str]:
    current = comparison.current
    seeds, models = current["seed"].nunique(), len(comparison.by_label)
    examples = current["evaluated_examples"].max()
    return [
        _counted(models, "model"),
        _counted(seeds, "seed"),
        *([f"{examples:,.0f} evaluated images"] if examples > 0 else []),
        *conditions(current)["device"].unique().tolist(),
    ]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
