"""The studies of the same results folder: their pictures, and what they found."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from benchmarks.report.html.comparison import Comparison

MOST_BYTES = 1_900_000  # of all pictures together, as they stand in the page
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


def data(comparison: Comparison) -> list[dict[str, Any]] | None:
    """Name, verdicts and picture of each study; None if there are none.

    Of pictures that do not all fit, the largest are left out.
    """
    folders = sorted((comparison.folder.parents[1] / "studies").glob("*/"))
    verdicts = {folder.name: _verdicts(folder / "verdicts.json") for folder in folders}
    pictures = {folder.name: _picture(folder / "plots", folder.name) for folder in folders}
    left = MOST_BYTES
    for name, picture in sorted(pictures.items(), key=lambda item: len(item[1])):
        left -= len(picture)
        if left < 0:
            pictures[name] = ""
    return [
        {"name": name, "verdicts": verdicts[name], "picture": pictures[name]}
        for name in verdicts
        if verdicts[name] or pictures[name]
    ] or None


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


def _picture(folder: Path, name: str) -> str:
    """The smaller of the picture's files, as the address of its own content; empty: none."""
    files = [path for kind in _TYPES if (path := folder / f"{name}{kind}").exists()]
    if not files:
        return ""
    smallest = min(files, key=lambda path: path.stat().st_size)
    content = b64encode(smallest.read_bytes()).decode()
    return f"data:{_TYPES[smallest.suffix]};base64,{content}"
