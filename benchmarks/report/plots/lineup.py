"""The nets of a comparison as all its plots show them: order, names and colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.records.record import OK
from benchmarks.report.comparable import conditions, labels, marks, nets
from benchmarks.report.drawing import head
from benchmarks.report.order import in_order
from benchmarks.report.style import GREY, LINE_COLORS
from benchmarks.report.table import in_words

MOST_SEEDS = 5  # that a title lists


@dataclass(frozen=True)
class Lineup:
    """Runs of a comparison.

    Args:
        runs: with the columns of `results.csv`, and `label`, `net` and `mark`.
        scores: the columns of scores that were measured after training; nets are ordered by the
            last.
    """

    runs: pd.DataFrame
    scores: list[str]

    @property
    def score(self) -> str:
        return self.scores[-1]

    @cached_property
    def done(self) -> pd.DataFrame:
        """The runs that ended well."""
        return self.runs[self.runs["status"] == OK]

    @cached_property
    def labels(self) -> list[str]:
        """The labels of the rows of the table, in its order."""
        return in_order(self.runs)

    @cached_property
    def colors(self) -> Mapping[str, str]:
        """The colour of each net, best first.

        Eight can be told apart by colour. Of more, eight spread from the best to the worst have
        one, and the others are grey.
        """
        best = self.done.groupby("net")[self.score].mean().sort_values(ascending=False)
        count = min(len(best), len(LINE_COLORS))
        spread = best.index[np.linspace(0, len(best) - 1, count).round().astype(int)]
        colors = dict(zip(spread, LINE_COLORS, strict=False))
        return {net: colors.get(net, GREY) for net in best.index}

    @property
    def share(self) -> float:
        """The accuracy of guessing; NaN where it is not known, or accuracy is not the score."""
        if not self.score.endswith("_accuracy"):
            return float("nan")
        return float(self.done["majority_share"].max())

    def in_words(self, column: str) -> str:
        return in_words(column, self.runs)

    def head(self, figure: Figure, *remarks: str) -> None:
        """The title of a plot: data and protocol, then machine, seeds and remarks."""
        first = self.done.iloc[0]
        # Matplotlib wraps a title at spaces alone.
        title = f"{first['dataset']}, protocol {first['protocol'].replace('+', ' + ')}"
        subtitle = "; ".join(filter(None, [self._machines(), self._seeds(), *remarks]))
        head(figure, title, subtitle)

    def _machines(self) -> str:
        machines = conditions(self.done)["device"].value_counts(sort=True).index
        others = len(machines) - 1
        more = {0: "", 1: " and another"}.get(others, f" and {others} others")
        return f"{machines[0]}{more}"

    def _seeds(self) -> str:
        by_row = self.done.groupby("label")["seed"].agg(lambda seeds: tuple(sorted(seeds)))
        if by_row.nunique() > 1:
            counts = sorted({len(seeds) for seeds in by_row})
            if counts == [1]:
                return "one seed each"
            return f"{' to '.join(map(str, counts[:: len(counts) - 1 or 1]))} seeds each"
        seeds = by_row.iloc[0]
        if len(seeds) > MOST_SEEDS:
            return f"{len(seeds)} seeds"
        return f"{'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}"


def lineup(rows: pd.DataFrame) -> Lineup:
    """From runs with the columns of `results.csv`."""
    own = {"label": labels(rows), "net": nets(rows), "mark": marks(rows)}
    scores = (f"{split}_{s}" for s in ("accuracy", "mean_iou") for split in ("test", "validation"))
    return Lineup(rows.assign(**own), [score for score in scores if rows[score].notna().any()])
