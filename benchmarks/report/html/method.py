"""What the figures mean, and where and how they were measured."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks.planning import recipe
from benchmarks.report import notes
from benchmarks.report.comparable import conditions
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.html.table import columns


def data(comparison: Comparison) -> dict[str, Any]:
    """The statistics in words, the protocol by subject, and each environment with its nets."""
    done = comparison.done
    runs = done if len(done) else comparison.current
    settings = [
        record.setup.settings | {"train_examples": record.setup.train_examples}
        for record in (comparison.by_key[key] for key in runs["key"])
        if record.setup.settings
    ]
    is_rough = comparison.cells.get("examples/sec", pd.Series(dtype=str)).str.contains("†").any()
    found = conditions(runs).assign(data=runs["data_source"].fillna("unknown"))
    environments = [
        {
            "facts": dict(zip(found.columns, facts, strict=True)),
            "nets": runs.loc[own.index, "label"].unique().tolist(),
        }
        for facts, own in found.groupby(list(found.columns), sort=False)
    ]
    return {
        "statistics": comparison.standing.method if comparison.standing else "",
        "protocol": recipe.in_words(settings),
        "environments": sorted(environments, key=lambda each: -len(each["nets"])),
        "remarks": list(notes.warnings(runs, 0, is_rough, quote=str)),
        "columns": columns(comparison),
        "finished": [runs["finished_at"].min(), runs["finished_at"].max()],
        "left_out": len(comparison.rows) - len(comparison.current),
    }
