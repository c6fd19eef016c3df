"""What a page carries of scripts and styles: our own, and those of libraries."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import itables.utils
import plotly.offline
from markupsafe import Markup

STATIC = Path(str(files("benchmarks.report.html"))) / "static"


def script(name: str) -> Markup:
    """The content of a script element: `static/<name>.js`."""
    return _as_script((STATIC / f"{name}.js").read_text("utf-8"))


def style(name: str) -> Markup:
    """The content of a style element: `static/<name>.css`."""
    return Markup((STATIC / f"{name}.css").read_text("utf-8"))


@cache
def plotly_script() -> Markup:
    """plotly.js, which defines `Plotly`."""
    return _as_script(plotly.offline.get_plotlyjs())


@cache
def table_script() -> Markup:
    """DataTables, which defines `DataTable`.

    Raises:
        ValueError: the bundle of itables has another form than expected.
    """
    bundle = itables.utils.read_package_file("html", "dt_bundle.js")
    # The bundle is a module, from which a page without requests cannot import.
    exported = re.search(r"\bexport\{([^}]*\b([\w$]+) as default\b[^}]*)\}", bundle)
    if exported is None:
        raise ValueError("the bundle of DataTables in itables has no default export")
    body = bundle[: exported.start()] + bundle[exported.end() :]
    return _as_script(
        f'const DataTable = (() => {{\n"use strict";\n{body}\nreturn {exported[2]};\n}})();'
    )


@cache
def table_style() -> Markup:
    """The style sheet of DataTables."""
    return Markup(itables.utils.read_package_file("html", "dt_bundle.css"))


def _as_script(code: str) -> Markup:
    """Code with nothing in it that HTML takes for the end of a script, or for a comment."""
    return Markup(re.sub(r"<(?=/script|!--)", r"\\x3C", code, flags=re.IGNORECASE))
