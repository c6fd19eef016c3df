"""What the data say about a claim: an effect with its interval, and whether the claim holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from benchmarks.analysis.intervals import Interval

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"


@dataclass(frozen=True)
class Verdict:
    """A claim that holds for effects from `at_least` to `at_most`, and the effect that was found.

    Args:
        claim: a sentence without a full stop.
        figure: names the effect.
        effect: the estimate.
        low, high: ends of its 95 % interval; NaN: unknown.
        unit: of effect, interval and bounds.
        more_seeds: that would decide the claim; None: unknown, or not a matter of seeds.
        note: a sentence about the interval or the conditions.
    """

    claim: str
    figure: str
    effect: float
    low: float
    high: float
    at_least: float = -math.inf
    at_most: float = math.inf
    unit: str = ""
    more_seeds: int | None = None
    note: str = ""

    @classmethod
    def exact(cls, claim: str, figure: str, effect: float, **others: Any) -> Verdict:
        """The verdict on an effect that is counted or computed: its interval is a point."""
        return cls(claim, figure, effect, effect, effect, **others)

    @classmethod
    def of(
        cls, claim: str, figure: str, interval: Interval, *, scale: float = 1.0, **others: Any
    ) -> Verdict:
        """The verdict on an effect with an interval, multiplied by `scale`, 100 for points."""
        ends = (scale * each for each in (interval.estimate, interval.low, interval.high))
        effect, low, high = ends
        return cls(claim, figure, effect, low, high, **others)

    @property
    def outcome(self) -> str:
        """Supported or not if the whole interval says so, and else undecided."""
        if self.at_least <= self.low and self.high <= self.at_most:
            return SUPPORTED
        if self.high < self.at_least or self.low > self.at_most:
            return NOT_SUPPORTED
        if self.more_seeds:
            return f"needs {self.more_seeds} more {'seed' if self.more_seeds == 1 else 'seeds'}"
        return UNDECIDED

    def to_dict(self) -> dict[str, Any]:
        """What `verdicts.json` keeps; an unknown or infinite number is null."""
        figures = ("effect", "low", "high", "at_least", "at_most")
        numbers = {name: getattr(self, name) for name in figures}
        finite = {name: each if math.isfinite(each) else None for name, each in numbers.items()}
        texts = {"claim": self.claim, "outcome": self.outcome, "figure": self.figure}
        return {**texts, **finite, "unit": self.unit, "sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """Claim, effect, interval and outcome in markdown."""
        known = not (math.isnan(self.low) or math.isnan(self.high))
        ends = f"{_text(self.low)} to {_text(self.high)}"
        interval = f"95 % interval {ends}" if known else "no interval"
        interval = "exact" if self.low == self.high else interval
        effect = f"{_text(self.effect)} {self.unit}".strip()
        text = (
            f"*{self.claim}*: **{self.outcome}**. {self.figure}: {effect} ({interval}); "
            f"the claim asks for {self._bounds()}."
        )
        return f"{text} {self.note}".strip()

    def _bounds(self) -> str:
        if math.isinf(self.at_most):
            return f"at least {_text(self.at_least)}"
        if math.isinf(self.at_least):
            return f"at most {_text(self.at_most)}"
        if self.at_least == self.at_most:
            return _text(self.at_least)
        return f"{_text(self.at_least)} to {_text(self.at_most)}"


def _text(value: float) -> str:
    """A figure with three digits, a large one to the unit."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"
