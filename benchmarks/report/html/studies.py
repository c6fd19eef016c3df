"""The studies of the same results folder: their pictures, and what they found."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.report.html.comparison import Comparison

MOST_BYTES = 1_700_000  # of all pictures together, as they stand in the page
LARGE = 300_000  # bytes of a picture from which on it is compressed
_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp"}


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
    png = folder / f"{name}.png"
    files = [path for path in (png.with_suffix(".svg"), png) if path.exists()]
    if not files:
        return ""
    contents = {path.suffix: path.read_bytes() for path in files}
    kind = min(contents, key=lambda suffix: len(contents[suffix]))
    content = contents[kind]
    if len(content) > LARGE and png in files:
        content, kind = _compressed(contents[".png"]), ".webp"
    return f"data:{_TYPES[kind]};base64,{b64encode(content).decode()}"


@cache
def _compressed(png: bytes) -> bytes:
    """A picture as WebP, which takes a sixth of the bytes, and a tenth of a second."""
    written = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").save(written, "WEBP", quality=80, method=0)
    return written.getvalue()
