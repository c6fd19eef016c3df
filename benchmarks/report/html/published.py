"""Published accuracies beside the measured ones."""

from __future__ import annotations

from typing import Any

from benchmarks.report import published
from benchmarks.report.html.comparison import Comparison


def data(comparison: Comparison) -> dict[str, Any] | None:
    """Columns, rows of text, and what they mean; None if no net has a published accuracy."""
    figures = comparison.standing.published if comparison.standing else ()
    if not figures:
        return None
    table = published.table(figures)
    return {
        "columns": list(table),
        "rows": table.to_numpy().tolist(),
        "meaning": published.MEANING,
    }
