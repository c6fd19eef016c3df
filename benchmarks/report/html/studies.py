"""The studies of the same results folder: their pictures, and what they found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.report.html.comparison import Comparison
from benchmarks.report.html.pictures import picture

MOST_BYTES = 1_700_000  # of all pictures together, as they stand in the page


def data(comparison: Comparison) -> list[dict[str, Any]] | None:
    """Name, verdicts and picture of each study; None if there are none.

    Of pictures that do not all fit, the largest are left out.
    """
    folders = sorted((comparison.folder.parents[1] / "studies").glob("*/"))
    verdicts = {folder.name: _verdicts(folder / "verdicts.json") for folder in folders}
    pictures = {folder.name: picture(folder / "plots" / f"{folder.name}.png") for folder in folders}
    drawn = {name for name, address in pictures.items() if address}
    left = MOST_BYTES
    for name, address in sorted(pictures.items(), key=lambda item: len(item[1])):
        left -= len(address)
        if left < 0:
            pictures[name] = ""
    return [
        {
            "name": name,
            "verdicts": verdicts[name],
            "picture": pictures[name],
            "file": f"../../studies/{name}/plots/{name}.png" if name in drawn else "",
        }
        for name in verdicts
        if verdicts[name] or name in drawn
    ] or None


def without_pictures(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for a page that would be too large."""
    return [{**study, "picture": ""} for study in found]


def _verdicts(path: Path) -> list[dict[str, str]]:
    """Claim, outcome and the rest of the sentence; none where the file is missing or damaged."""
    try:
        return [
            {
                "claim": each["claim"],
                "outcome": each["outcome"],
                "rest": each["sentence"].partition("**. ")[2],
            }
            for each in json.loads(path.read_bytes())
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []  # whoever writes the studies' overview reports it
