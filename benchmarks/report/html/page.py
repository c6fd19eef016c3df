"""The page as a whole: its sections, scripts and styles, in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from benchmarks.report.html import (
    explorer,
    failures,
    inline,
    method,
    models,
    plots,
    published,
    studies,
    table,
)
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.html.head import head
from benchmarks.report.html.words import figure

# Each defines one constant, which later ones may use.
SCRIPTS = (
    *("page", "state", "theme", "focus", "table", "charts", "labels", "plots", "models"),
    *("statistics", "accuracies", "differences", "places", "choices", "explorer", "nav"),
)
STYLES = ("page", "controls", "sections", "explorer", "print")


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own.

    `data` makes what the template sees, and what scripts get if the section `has_script`: values
    that JSON has. None: there is nothing to show.
    """

    name: str
    title: str
    data: Callable[[Comparison], Any]
    has_script: bool = False


MOST_BYTES = 8_000_000

# Of a page that would be larger: the section, what it goes without, and its data then.
LEAST_NEEDED: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("models", "wrong images", models.without_pictures),
    ("studies", "pictures of studies", studies.without_pictures),
    ("explorer", "the explorer", lambda _: None),
)

SECTIONS = (
    Section("table", "Table", table.data, has_script=True),
    Section("plots", "Plots", plots.data, has_script=True),
    Section("explorer", "Explorer", explorer.data, has_script=True),
    Section("models", "Models", models.data),
    Section("published", "Published", published.data),
    Section("failures", "Failures", failures.data),
    Section("studies", "Studies", studies.data),
    Section("method", "Method", method.data),
)


def page(comparison: Comparison) -> str:
    """The page of a comparison: HTML that needs nothing outside of it.

    A page of more than `MOST_BYTES` goes without `LEAST_NEEDED`, as far as it must, and says so.
    """
    made = {section.name: section.data(comparison) for section in SECTIONS}
    text = _rendered(comparison, made, [])
    left_out: list[str] = []
    for name, words, reduced in LEAST_NEEDED:
        if len(text.encode()) <= MOST_BYTES:
            break
        if made[name] is not None:
            made[name] = reduced(made[name])
            text = _rendered(comparison, made, left_out := [*left_out, words])
    return text


def _rendered(comparison: Comparison, made: Mapping[str, Any], left_out: Sequence[str]) -> str:
    """The page with this data by name of the section, and what it goes without."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            head=head(comparison),
            left_out=left_out,
            sections={each: made[each.name] for each in SECTIONS if made[each.name] is not None},
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
    environment.filters["figure"] = figure
    # A number that is not finite is no JSON: browsers would read none of it.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment
