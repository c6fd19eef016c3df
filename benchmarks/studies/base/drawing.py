"""What pictures of several studies draw."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from benchmarks.analysis.intervals import Interval


def draw_intervals(
    axes: Axes, places: Sequence[float], intervals: Sequence[Interval], **options: Any
) -> None:
    """Estimates with their 95 % intervals as bars.

    Args:
        options: of `Axes.errorbar`, such as the label.
    """
    ends = [
        [each.estimate - each.low for each in intervals],
        [each.high - each.estimate for each in intervals],
    ]
    estimates = [each.estimate for each in intervals]
    axes.errorbar(places, estimates, yerr=ends, **{"marker": "o", "capsize": 4, **options})
