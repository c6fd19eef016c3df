"""Does the order of nets hold on another dataset, and under the textbook's recipe?

The accuracies of the same nets on Fashion-MNIST and on CIFAR-10 under one protocol, and those on
Fashion-MNIST beside the recipe of "Dive into Deep Learning", by rank correlation. Under the budget
quick, the figures of that recipe are the book's own, as its training takes hours on two CPU cores.
"""

from dataclasses import dataclass, replace
from math import isfinite

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.analysis.intervals import ALPHA, t_quantile
from benchmarks.analysis.published import FIGURES
from benchmarks.analysis.rank_agreement import Agreement, Side, agreement
from benchmarks.errors import UsageError
from benchmarks.records.record import OK
from benchmarks.report.style import FAINT, look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict

RECIPE = "d2l"
BOOK = tuple(f.model for f in FIGURES if f.protocol == RECIPE)
REVERSED = 10  # per cent of pairs that an order which holds may have


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """Two sweeps that differ in the dataset, and one under the textbook's recipe.

    Args:
        other_dataset: that the order is carried over to.
        recipe_models: that are trained under the textbook's recipe; none: the book's figures count.
    """

    other_dataset: str = "cifar10"
    recipe_models: tuple[str, ...] = ()


class TransferOfRank(TrainingStudy):
    # What `make bench MODELS=all` trains, whose runs are taken over.
    quick = Settings(
        models=("all",), dataset="fashion_mnist", protocol="quick", seeds=(0,), timed=False
    )
    full = replace(
        quick,
        models=("all", "vgg11_narrow", "resnet18_d2l"),
        protocol="standard",
        seeds=(0, 1, 2),
        recipe_models=BOOK,
    )

    def sweeps(self, settings: Settings) -> dict[str, TrainingSettings]:
        """One a dataset, and one under the recipe, by what they are called."""
        sweeps: dict[str, TrainingSettings] = {
            settings.dataset: settings,
            settings.other_dataset: replace(settings, dataset=settings.other_dataset),
        }
        if settings.recipe_models:
            models = settings.recipe_models
            sweeps[RECIPE] = replace(settings, protocol=RECIPE, models=models, overrides={})
        return sweeps

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Whether orders are related at all, and whether few pairs are reversed.

        Fewer than five nets cannot show the first.
        """
        found, own = [], rows["sweep"].iloc[0]
        for other, (_, _, both) in self._pairs(rows).items():
            nets = len(both.names)
            note = f"Unrelated orders of {nets} nets reach this in 2.5 % of cases at most"
            scope = f" Of {both.tau.scope}." if both.tau.scope else ""
            related = Verdict.of(
                f"The orders of nets on {own} and {other} are related beyond chance",
                f"Kendall's tau of {nets} nets",
                both.tau,
                at_least=both.chance_level,
                note=f"{note}.{scope}",
            )
            holds = Verdict.of(
                f"The order holds {other}: one pair of nets in ten is reversed at most",
                f"Part of {nets * (nets - 1) // 2} pairs",
                both.reversed,
                scale=100,
                at_most=REVERSED,
                unit="%",
                note=scope.strip(),
            )
            found += [related, holds] if isfinite(both.chance_level) else [holds]
        return found

    def about(self, rows: pd.DataFrame) -> str:
        """What a pair of nets keeps."""
        parts = ["Nets are ordered by test accuracy, and the orders of each pair of nets compared."]
        for other, (_, _, both) in self._pairs(rows).items():
            kept = round(100 * (1 - both.reversed.estimate))
            parts.append(
                f"Of {len(both.names)} nets, {kept} % of the pairs have the same order {other} "
                f"(Kendall's tau {both.tau.estimate:.2f}, Spearman's rho {both.rho.estimate:.2f}, "
                f"95 % interval {both.rho.low:.2f} to {both.rho.high:.2f})."
            )
        return " ".join([*parts, "So few nets say little of others: see the level of chance."])

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """The accuracies of each net on both sides, with their 95 % intervals."""
        pairs = self._pairs(rows)
        figure, panels = plt.subplots(1, len(pairs), figsize=(6.5 * len(pairs), 5.5), squeeze=False)
        for axes, (other, (a, b, both)) in zip(panels.flat, pairs.items(), strict=True):
            (x, across), (y, up) = (_bars(side.select(both.names)) for side in (a, b))
            axes.errorbar(x, y, xerr=across, yerr=up, fmt="o", ecolor=FAINT, elinewidth=1)
            for name, *at in zip(both.names, x, y, strict=True):
                axes.annotate(name, (at[0], at[1]), (5, 5), textcoords="offset points")
            own = rows["sweep"].iloc[0]
            axes.set(xlabel=f"test accuracy on {own} (%)", ylabel=f"test accuracy {other} (%)")
            axes.set_title(
                f"Kendall's tau {both.tau.estimate:.2f}, 95 % interval "
                f"{both.tau.low:.2f} to {both.tau.high:.2f}",
                loc="left",
            )
        return figure

    def _pairs(self, rows: pd.DataFrame) -> dict[str, tuple[Side, Side, Agreement]]:
        """Both sides of each comparison, and how they agree, by what the other side is.

        Raises:
            UsageError: a sweep lacks accuracies, or the sides have fewer than two nets in common.
        """
        sides = {
            name: self._side(rows, name) for name in rows[rows["status"] == OK]["sweep"].unique()
        }
        own, *others = sides
        found = {f"on {name}": sides[name] for name in others if name != RECIPE}
        if RECIPE in sides:
            found[f"under the recipe {RECIPE}"] = sides[RECIPE]
        else:
            found["in the book"] = _book()
        a = sides[own]
        try:
            return {name: (a, b, agreement(a, b)) for name, b in found.items()}
        except ValueError as error:
            raise UsageError(f"{self.name}: {error}; train more of {', '.join(BOOK)}") from None

    def _side(self, rows: pd.DataFrame, sweep: str) -> Side:
        """The accuracies of one sweep, by model."""
        table = self.evidence(rows[rows["sweep"] == sweep]).accuracies
        if table is None:
            raise UsageError(f"{self.name} needs accuracies on images")
        names = [name.removesuffix(f", {sweep}") for name in table.names]
        return replace(Side.of(table), names=names)


def _bars(side: Side) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies (M,) and the lengths of error bars below and above them (2, M), in per cent."""
    means: np.ndarray = 100 * side.means
    half = 100 * t_quantile(1 - ALPHA / 2, side.degrees) * np.sqrt(np.diag(side.covariance))
    return means, np.array([np.minimum(half, means), np.minimum(half, 100 - means)])


def _book() -> Side:
    """The book's figures; the spread of one training is that of its published repetitions."""
    figures = [f for f in FIGURES if f.protocol == RECIPE and f.low is not None]
    width = 2 * t_quantile(0.95, np.inf)  # of 5 to 95 % of a normal distribution
    spread = np.array([(f.high - f.low) / width for f in figures if f.high and f.low])
    names, means = [f.model for f in figures], np.array([f.accuracy for f in figures])
    return Side(names, means, np.diag(spread**2))
