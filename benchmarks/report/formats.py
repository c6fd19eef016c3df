"""The comparison table for papers and spreadsheets: markdown, HTML, LaTeX or CSV."""

from collections.abc import Callable

import pandas as pd
from tabulate import tabulate

from benchmarks.report import table

# LaTeX's default fonts have no such characters.
_IN_LATEX = {
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    **{sign: rf"\textsuperscript{{{n}}}" for n, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}


def markdown(cells: pd.DataFrame) -> str:
    return table.pipe(cells)


def html(cells: pd.DataFrame) -> str:
    """A plain table, with its text escaped."""
    return cells.to_html(index=False, border=0, justify="left")


def latex(cells: pd.DataFrame) -> str:
    r"""A `tabular` with the rules of the package booktabs, and names escaped."""
    text = tabulate(
        cells.to_numpy().tolist(),
        headers=list(cells.columns),
        tablefmt="latex_booktabs",
        colalign=["left", *["right"] * (len(cells.columns) - 1)],
        disable_numparse=True,
    )
    return "".join(_IN_LATEX.get(character, character) for character in text)


def csv(cells: pd.DataFrame) -> str:
    """The shown cells; `results.csv` has the numbers, a row a run."""
    return cells.to_csv(index=False).rstrip("\n")


FORMATS: dict[str, Callable[[pd.DataFrame], str]] = {
    "markdown": markdown,
    "html": html,
    "latex": latex,
    "csv": csv,
}
