"""Claims in words: what people read, and a sentence to quote."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.analysis.by_class import ClassDifference
from benchmarks.analysis.claims import (
    EQUIVALENT,
    MORE_SEEDS,
    NO_NUMBER,
    NOT_SUPPORTED,
    SUPPORTED,
    Claim,
)
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.intervals import Interval
from benchmarks.analysis.metrics import ACCURACY, RATIO


def claim_in_words(claim: Claim, evidence: Evidence) -> str:
    """The claim, its effect, the verdict, and a sentence to quote."""
    a, b, metric = claim.a, claim.b, claim.metric
    x, y = (metric.text(mean) for mean in claim.means)
    lines = [
        f"claim: {a} has a {_comparative(claim)} {metric.words} than {b}",
        f"{a} {x}, {b} {y}: {effect(claim)}",
        f"verdict: {verdict(claim)}",
    ]
    if metric.kind == ACCURACY and any(evidence.correct(m) is None for m in (a, b)):
        lines.append(
            "note: predictions are missing, so images are not paired, and the interval is wider"
        )
    return "\n".join([*lines, "", f'"{conditions(claim, evidence)}, {finding(claim)}."'])


def verdict(claim: Claim) -> str:
    """The verdict; with few runs, what it is limited to."""
    words = {
        SUPPORTED: "supported",
        EQUIVALENT: f"equivalent within {_margin(claim)}",
        NOT_SUPPORTED: f"not supported: {claim.b} has the {_comparative(claim)} one",
        MORE_SEEDS: f"needs about {claim.more} more seeds of each net, {claim.purpose}",
        NO_NUMBER: "no number of seeds is enough; the test set is too small",
    }[claim.verdict]
    if claim.is_small:
        words += f", though the difference lies within {_margin(claim)}"
    scope = claim.difference.interval.scope if claim.difference else ""
    is_limited = scope and claim.verdict in (SUPPORTED, NOT_SUPPORTED, EQUIVALENT)
    return f"{words} ({scope})" if is_limited else words


def effect(claim: Claim) -> str:
    """The difference or ratio, with its interval."""
    metric = claim.metric
    if claim.difference is None:
        ratio = f"x {claim.means[0] / claim.means[1]:.3g}, " if claim.means[1] else ""
        return f"{ratio}counted"
    interval = claim.difference.interval
    if metric.kind == RATIO:
        return ratio_in_words(interval)
    scale, digits, unit = (100, 2, " points") if metric.is_fraction else (1, 3, "")
    estimate, low, high = (
        f"{scale * value:+.{digits}f}" for value in (interval.estimate, interval.low, interval.high)
    )
    if not interval.is_known:
        return f"{estimate}{unit}, with no interval, as one training tells no spread"
    text = f"{estimate}{unit}, 95 % interval {low} to {high}"
    return text + (f"; {parts(interval)}" if metric.kind == ACCURACY else "")


def parts(interval: Interval) -> str:
    """The half widths that test images and seeds alone would give, in points."""
    known = {"test set": interval.test_set, "seeds": interval.seeds}
    return ", ".join(
        f"{name} " + ("unknown" if half is None else f"±{100 * half:.2f}")
        for name, half in known.items()
    )


def ratio_in_words(interval: Interval) -> str:
    """A ratio with its interval, both given as logarithms."""
    estimate, low, high = np.exp([interval.estimate, interval.low, interval.high])
    if not interval.is_known:
        return f"x {estimate:.3g}, with no interval, as it was measured once"
    return f"x {estimate:.3g}, 95 % interval {low:.3g} to {high:.3g}"


def finding(claim: Claim) -> str:
    """The outcome in one sentence, without its conditions."""
    a, b, metric = claim.a, claim.b, claim.metric
    x, y = (metric.text(mean) for mean in claim.means)
    if claim.verdict in (SUPPORTED, NOT_SUPPORTED):
        is_higher = claim.metric.higher_is_better == (claim.verdict == SUPPORTED)
        comparative = "higher" if is_higher else "lower"
        text = f"{a} has a {comparative} {metric.words} than {b}, {x} against {y}"
        return f"{text} ({effect(claim)})"
    if claim.verdict == EQUIVALENT:
        text = f"{a} and {b} are equivalent within {_margin(claim)} in {metric.words}, {x} and {y}"
        return f"{text} ({effect(claim)})"
    text = f"{a} and {b} are not separated in {metric.words}, {x} and {y} ({effect(claim)})"
    return f"{text}; the claim {verdict(claim)}" if claim.more else f"{text}; {verdict(claim)}"


def conditions(claim: Claim, evidence: Evidence) -> str:
    """Protocol, data, seeds and commit, and of speeds the device, as the start of a sentence."""
    sides = [evidence.runs[claim.a], evidence.runs[claim.b]]
    runs = [*sides[0], *sides[1]]
    setup, kind = runs[0].setup, claim.metric.kind
    seeds = dict.fromkeys(f"{len(side)} seed{'s' if len(side) > 1 else ''}" for side in sides)
    facts = [f"{' and '.join(seeds)}{' of each net' if len(seeds) == 1 else ''}"]
    if kind == ACCURACY and evidence.images:
        facts.append(f"{evidence.images:,} test images")
    if kind == RATIO:
        facts.append(" / ".join(dict.fromkeys(run.environment.device for run in runs)))
    commits = dict.fromkeys(run.environment.commit or "unknown" for run in runs)
    facts.append(f"commit {' / '.join(commits)}")
    return f"On {setup.dataset} under protocol {setup.protocol} ({', '.join(facts)})"


def classes_in_words(found: Sequence[ClassDifference], a: str, b: str) -> str:
    """A table of the classes."""
    rows = [
        {
            "class": each.name,
            "images": each.images,
            f"{a}, %": f"{100 * each.means[0]:.1f}",
            f"{b}, %": f"{100 * each.means[1]:.1f}",
            "difference, points": f"{100 * each.estimate:+.1f} ± {100 * each.half:.1f}",
            "differs": "yes" if each.differs else "",
        }
        for each in found
    ]
    align = ["left", "right", "right", "right", "right", "left"]
    table = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True, colalign=align)
    differing = [each.name for each in found if each.differs]
    outcome = f"they differ on {', '.join(differing)}" if differing else "they differ on no class"
    return f"{table}\n\nThe intervals hold for all classes together with 95 %: {outcome}."


def _comparative(claim: Claim) -> str:
    return "higher" if claim.metric.higher_is_better else "lower"


def _margin(claim: Claim) -> str:
    if claim.metric.is_fraction:
        return f"{100 * claim.margin:g} point{'' if claim.margin == 0.01 else 's'}"
    return f"{100 * claim.margin:g} %"
