"""The page as a whole: its sections, scripts and styles, in one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from benchmarks.report.html import inline, table
from benchmarks.report.html.comparison import Comparison

# Each defines one constant, which later ones may use.
SCRIPTS = ("page", "state", "theme", "focus", "table")
STYLES = ("page",)


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own.

    `data` makes what the template sees and what its script gets, from values that JSON has; None:
    there is nothing to show.
    """

    name: str
    title: str
    data: Callable[[Comparison], Any]


SECTIONS = (Section("table", "Table", table.data),)


def page(comparison: Comparison) -> str:
    """The page of a comparison: HTML that needs nothing outside of it."""
    made = {section: section.data(comparison) for section in SECTIONS}
    shown = {section: data for section, data in made.items() if data is not None}
    first = comparison.rows.iloc[-1]
    return (
        _environment()
        .get_template("page.html")
        .render(
            dataset=first["dataset"],
            protocol=first["protocol"],
            sections=shown,
            scripts=[inline.script(name) for name in SCRIPTS],
            libraries=[inline.plotly_script(), inline.table_script()],
            styles=[inline.table_style(), *map(inline.style, STYLES)],
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("benchmarks.report.html"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A number that is not finite is no JSON: browsers would read none of it.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment
