"""The runs that did not end well."""

from __future__ import annotations

from typing import Any

from benchmarks.records.record import OK
from benchmarks.report.html.comparison import Comparison


def data(comparison: Comparison) -> list[dict[str, Any]] | None:
    """Net, seed, status and reason of each; None if all ended well."""
    failed = comparison.current[comparison.current["status"] != OK]
    if failed.empty:
        return None
    return failed[["label", "seed", "status", "error"]].fillna("").to_dict("records")
