"""Published accuracies beside measured ones, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmarks.analysis.published import Beside, Figure
from benchmarks.report.text import filled

TITLE = "Published test accuracies"
MEANING = (
    "Range: 5 to 95 % quantile of the published trainings. Inside: within that range; of a single "
    "published training, where one more training here would reach it in 95 of 100 cases."
)


def table(figures: Sequence[Beside]) -> pd.DataFrame:
    """The cells as text, a row for each published accuracy."""
    return pd.DataFrame(
        {
            "model": each.figure.model,
            "measured": f"{each.measured:.3f}",
            "published": f"{each.figure.accuracy:.3f}",
            "their range": _range(each.figure),
            "measured is": each.verdict,
            "source": each.figure.source,
        }
        for each in figures
    )


def markdown(figures: Sequence[Beside]) -> str:
    """The table with a title above it and its meaning below; empty without figures."""
    if not figures:
        return ""
    align = ["left", "right", "right", "right", "left", "left"]
    own = table(figures).to_markdown(index=False, disable_numparse=True, colalign=align)
    return f"**{TITLE}**\n\n{own}\n\n{filled(MEANING)}"


def _range(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return "one training"
    return f"{figure.low:.3f} to {figure.high:.3f} ({figure.trainings})"
