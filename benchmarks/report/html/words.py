"""Names and figures as people read them."""

from __future__ import annotations

from dataclasses import fields

from benchmarks.records.record import PARTS, RunRecord

_TITLES = {
    "macs": "MACs",
    "train_flops": "training FLOPs",
    "peak_memory_mb": "memory",
    "fit_seconds": "seconds",
    "placement": "devices and type",
}
_DOCUMENTED = {f.name: f.metadata for part in (*PARTS.values(), RunRecord) for f in fields(part)}
# Columns that no record has.
_OWN = {
    "place": "from the best to the worst that the data allow; models that share a letter are not "
    "separated",
    "placement": "number and type of the devices",
}


def title(name: str) -> str:
    """The name of a column in words."""
    words = name.replace("_per_sec", "/sec").replace("_", " ").replace("iou", "IoU")
    return _TITLES.get(name, words)


def unit(name: str) -> str:
    """The unit of a column; empty where there is none, or the title says it."""
    own = "" if name in _OWN else _DOCUMENTED[name]["unit"]
    return "" if title(name).endswith(("/sec", "seconds", own)) else own


def meaning(name: str) -> str:
    """What a column says."""
    return _OWN.get(name) or _DOCUMENTED[name]["doc"]


def figure(value: float | str | None) -> str:
    """A number with three significant digits, millions and more as 1.23 M; a text as it is.

    `page.text` in JavaScript writes the same.
    """
    if value is None or isinstance(value, str):
        return value or ""
    size = abs(value)
    if size < 1e3:
        return f"{value:.0f}" if value == int(value) else f"{value:#.3g}".rstrip(".")
    if size < 1e6:
        return f"{value:,.0f}"
    scale, letter = next(
        (scale, letter)
        for scale, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"))
        if size >= scale
    )
    return f"{value / scale:#.3g}".rstrip(".") + f" {letter}"
