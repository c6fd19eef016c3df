"""Do 95 % intervals hold the accuracy that new trainings reach on new images?

Forty trainings of one net are cut into disjoint groups of three and of five. Of each group, the
interval is made on a random half of the test images. The truth is the mean accuracy of all
trainings outside the group on the other half, so that both are independent. As the truth is an
estimate too, the question is whether 0 lies in the interval of the difference of the two, made of
both intervals (MOVER: G. Y. Zou, A. Donner, "Construction of confidence limits about effect
measures", 2008). The truth's interval is the crossed one, whatever the group's is. What is wrong
with a group's interval shows in part only, as the truth's half of the images is no larger.

Forty trainings give few disjoint groups, so many random cuts are made too. Their groups overlap and
are not independent: the variance of a share among them is that of the jackknife over trainings, and
its interval Wilson's with as many groups as would have that variance if they were independent
(E. L. Korn, B. I. Graubard, 1998), at least the disjoint ones (W. Hoeffding, 1948).
"""

from collections.abc import Iterator
from functools import lru_cache
from math import hypot

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.differences import difference
from benchmarks.analysis.intervals import Interval, error_bars, over_seeds, wilson
from benchmarks.errors import UsageError
from benchmarks.report.style import FAINT, look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict

SIZES = {3: "three", 5: "five"}  # trainings a group
CUTS = 200  # the first one in the order of the seeds
CROSSED, OF_SEEDS, BINOMIAL = "seeds and test images", "seeds alone", "test images alone"
EQUAL = "equal nets differ significantly"


class Coverage(TrainingStudy):
    quick = TrainingSettings(
        models=("lenet",),
        dataset="fashion_mnist",
        protocol="quick",
        seeds=tuple(range(40)),
        timed=False,
    )

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Whether crossed intervals hold the truth, and equal nets rarely differ."""
        found = []
        for (size, method), own in self._groups(rows).groupby(["size", "method"], sort=False):
            claims = {
                CROSSED: (f"Intervals of {SIZES[size]} trainings hold the truth", 93, 97),
                EQUAL: (f"Equal nets with {SIZES[size]} trainings each rarely differ", 0, 5),
            }
            if method in claims:
                claim, least, most = claims[method]
                bounds = {"at_least": least, "at_most": most, "unit": "%"}
                figure = f"Share of {len(own):,} overlapping cases"
                found.append(Verdict.of(claim, figure, _share(own), scale=100, **bounds))
        return found

    def markdown(self, rows: pd.DataFrame) -> str:
        """The shares by method, above the table of the trainings."""
        cells = []
        for (size, method), own in self._groups(rows).groupby(["size", "method"], sort=False):
            first = own[own["cut"] == 0]["hit"]
            cells.append(
                {
                    "interval by": method,
                    "trainings a group": size,
                    "disjoint cases": len(first),
                    "share (%)": _text(wilson(first.mean(), len(first))),
                    "overlapping cases": f"{len(own):,}",
                    "share of these (%)": _text(_share(own)),
                }
            )
        shares = pd.DataFrame(cells).to_markdown(index=False, disable_numparse=True)
        return f"{shares}\n\n{super().markdown(rows)}"

    def caption(self, rows: pd.DataFrame) -> str:
        """What the shares count."""
        return (
            "Share: of the cases in which the interval holds the truth, with the 95 % interval of "
            f"the share; in the rows *{EQUAL}*, of pairs of groups whose difference is "
            "significant. Overlapping cases are of random cuts, and not independent."
        )

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """The crossed intervals of the disjoint groups, and the shares of each method."""
        groups = self._groups(rows)
        sizes = groups["size"].unique()
        figure, panels = plt.subplots(1, len(sizes) + 1, figsize=(4.4 * (len(sizes) + 1), 4.8))
        for axes, size in zip(panels, sizes, strict=False):
            _forest(axes, groups.query("size == @size and method == @CROSSED and cut == 0"))
            axes.set_title(f"groups of {SIZES[size]}; cross: missed", loc="left")
        axes = panels[-1]
        axes.axvspan(93, 97, color="0.9", label="93 to 97 %")
        for number, size in enumerate(sizes):
            of_size = groups[(groups["size"] == size) & (groups["method"] != EQUAL)]
            shares = {name: _share(own) for name, own in of_size.groupby("method", sort=False)}
            bars = 100 * np.array(error_bars([*shares.values()]))
            heights = np.arange(len(shares)) + 0.2 * number
            means = [100 * each.estimate for each in shares.values()]
            shown = {"color": f"C{number + 2}", "label": f"groups of {SIZES[size]}"}
            axes.errorbar(means, heights, xerr=bars, fmt="o", capsize=4, **shown)
            axes.set_yticks(
                range(len(shares)), [name.replace(" and ", "\nand ") for name in shares]
            )
        axes.set(ylim=(len(shares) - 0.4, -0.5), xlabel="intervals that hold the truth (%)")
        axes.set_title("by method, random cuts", loc="left")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=3)
        return figure

    def _groups(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What `cases` finds for each size of which there are two groups.

        Raises:
            UsageError: several models, too few trainings, or missing predictions.
        """
        found = self.evidence(rows)
        model, *others = found.runs
        correct, least = found.correct(model), 2 * min(SIZES)
        if others or correct is None or len(correct) < least:
            raise UsageError(f"coverage needs {least} trainings of one model, with predictions")
        return _all_cases(correct.tobytes(), correct.shape)


def cases(correct: np.ndarray, size: int, cuts: int) -> Iterator[dict]:
    """A row for each group and method, and for each pair of groups.

    `hit` tells whether the interval holds the truth, or whether the pair differs significantly;
    `estimate`, `low` and `high` are those of the accuracy less the truth, or of the difference.

    Args:
        correct: which images each training gets right, bool (S, n).
        size: trainings a group, at most S/2.
        cuts: in the order of the seeds, and then in random orders.
    """
    seeds, images = correct.shape
    random = np.random.default_rng(size)
    for cut in range(cuts):
        order = random.permutation(seeds) if cut else np.arange(seeds)
        groups = [order[start : start + size] for start in range(0, seeds - size + 1, size)]
        for group in groups:
            here, there = np.array_split(random.permutation(images), 2)
            others = correct[np.setdiff1d(order, group)]
            truth = Accuracies.of({"": others[:, there]}).interval("")
            for method, own in _intervals(correct[group][:, here]).items():
                away = _less(own, truth)
                yield _case(cut, size, method, group, away, away.low <= 0 <= away.high)
        for a, b in zip(groups[::2], groups[1::2], strict=False):
            found = difference(Accuracies.of({"a": correct[a], "b": correct[b]}), "a", "b")
            yield _case(cut, size, EQUAL, [*a, *b], found.interval, found.is_certain)


@lru_cache(maxsize=1)
def _all_cases(content: bytes, shape: tuple[int, int]) -> pd.DataFrame:
    """Of all sizes; table, verdicts and plot ask for the same."""
    correct = np.frombuffer(content, bool).reshape(shape)
    found = [row for size in SIZES if 2 * size <= shape[0] for row in cases(correct, size, CUTS)]
    return pd.DataFrame(found)


def _intervals(correct: np.ndarray) -> dict[str, Interval]:
    accuracies = correct.mean(axis=1)
    return {
        CROSSED: Accuracies.of({"": correct}).interval(""),
        OF_SEEDS: over_seeds(accuracies.tolist()),
        BINOMIAL: wilson(accuracies.mean(), correct.shape[1]),
    }


def _less(a: Interval, b: Interval) -> Interval:
    """The interval of a difference of two independent figures (MOVER)."""
    away = a.estimate - b.estimate
    low = away - hypot(a.estimate - a.low, b.high - b.estimate)
    return Interval(away, low, away + hypot(a.high - a.estimate, b.estimate - b.low))


def _case(cut: int, size: int, method: str, members, found: Interval, hit: bool) -> dict:
    ends = {"estimate": found.estimate, "low": found.low, "high": found.high}
    about = {"cut": cut, "size": size, "method": method, "members": frozenset(map(int, members))}
    return {**about, **ends, "hit": hit}


def _share(own: pd.DataFrame) -> Interval:
    """The share of hits among overlapping groups, with an interval that allows for the overlap."""
    hits, share = own["hit"].to_numpy(float), own["hit"].mean()
    seeds = frozenset().union(*own["members"])
    without = [own["members"].map(lambda members, seed=s: seed not in members) for s in seeds]
    left = np.array([hits[each].mean() for each in without if each.any()])
    variance = (len(left) - 1) ** 2 / max(1, len(left)) * left.var(ddof=1) if len(left) > 1 else 0
    independent = share * (1 - share) / variance if variance > 0 else 0
    return wilson(share, round(max(independent, (own["cut"] == 0).sum())))


def _forest(axes: Axes, own: pd.DataFrame) -> None:
    """The intervals of groups about the truth; those that miss it in another colour."""
    for hit, color, marker in ((True, "C0", "o"), (False, "C1", "X")):
        part = own[own["hit"] == hit]
        bars = [part["estimate"] - part["low"], part["high"] - part["estimate"]]
        heights = np.flatnonzero(own["hit"] == hit)
        bars = [100 * each for each in bars]
        axes.errorbar(100 * part["estimate"], heights, xerr=bars, fmt=marker, color=color)
    axes.axvline(0, color=FAINT, lw=1)
    axes.set(yticks=[], ylim=(len(own) - 0.5, -0.5), xlabel="accuracy less the truth (points)")


def _text(share: Interval) -> str:
    return f"{100 * share.estimate:.1f} ({100 * share.low:.0f} to {100 * share.high:.0f})"
