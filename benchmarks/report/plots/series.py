"""Lines of a value along epochs, costs or the values of a field, with the range of the seeds."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmarks.report.plots.lineup import Lineup
from benchmarks.report.style import GREY

DASHES = ("-", "--", ":", "-.")  # of the values of a varied field, which share a net's colour
MOST_MARKERS = 20  # on a line
MOST_NAMES = 14  # beside an axes


def series(found: pd.DataFrame, x: pd.Series, y: pd.Series, step: str) -> pd.DataFrame:
    """Mean of x, mean and range of y over the seeds, at each step of each label.

    Args:
        found: points of runs, with the columns `label`, `net` and `step`.
        x: of each point.
        y: of each point.
        step: the column by which points of several seeds belong together.
    """
    grouped = found.assign(x=x, y=y).groupby(["label", step], sort=False)
    means = grouped.agg(
        net=("net", "first"), x=("x", "mean"), y=("y", "mean"), low=("y", "min"), high=("y", "max")
    )
    return means.reset_index().dropna(subset=["x", "y"])


def draw_series(axes: Axes, found: pd.DataFrame, nets: Lineup) -> None:
    """A line through the means of each label, and a band over the range of its seeds."""
    drawn_of: Counter[str] = Counter()
    for _, line in found.groupby("label", sort=False):
        at = line.sort_values("x")
        net = at["net"].iloc[0]
        color, dashes = nets.colors[net], DASHES[drawn_of[net] % len(DASHES)]
        drawn_of[net] += 1
        is_grey = color == GREY
        marker = "o" if len(at) == 1 or (len(at) <= MOST_MARKERS and not is_grey) else ""
        width, order = (1, 1) if is_grey else (1.8, 3)
        (drawn,) = axes.plot(at["x"], at["y"], color=color, lw=width, marker=marker, ms=4.5)
        drawn.set(zorder=order, clip_on=False, ls=dashes)
        if not is_grey:
            axes.fill_between(at["x"], at["low"], at["high"], color=color, alpha=0.2, lw=0)


def ends(found: pd.DataFrame, nets: Lineup) -> tuple[pd.DataFrame, Mapping[str, str]]:
    """The last point of each line that is named, by label, and its colour.

    Lines in grey are not named; of more others than have room, those spread from the best to the
    worst are.
    """
    last = found.sort_values("x").drop_duplicates("label", keep="last").set_index("label")
    colors = last["net"].map(nets.colors)
    names = [label for label in nets.labels if colors.get(label, GREY) != GREY]
    count = min(len(names), MOST_NAMES)
    spread = np.linspace(0, len(names) - 1, count).round().astype(int)
    last = last.loc[[names[i] for i in spread]]
    return last, last["net"].map(nets.colors).to_dict()


def remarks(nets: Lineup) -> list[str]:
    """What bands and grey lines mean, where there are any."""
    found = []
    if nets.done["label"].duplicated().any():
        found.append("band: range of the seeds")
    if others := list(nets.colors.values()).count(GREY):
        found.append(f"grey: {others} more")
    return found
