import io
import re

import pandas as pd
import pytest

from benchmarks.records.record import FAILED
from benchmarks.report import table
from benchmarks.report.comparable import annotated, comparable
from benchmarks.report.formats import FORMATS
from tests.benchmarks.report.frames import cells, frame

ODD = "convnet[name=a_b&50%<i>]"


def shown(*others):
    return table.shown(annotated(comparable(frame(*others))))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_every_model_and_score(form):
    rows = shown({"model": "nin", "status": FAILED, "test_accuracy": None})
    text = FORMATS[form](rows)
    places = [text.index(each) for each in ("resnet18", "lenet", "nin")]
    assert places == sorted(places)
    for word in ("0.900", "failed", "test accuracy"):
        assert word in text


def test_csv_has_the_shown_cells():
    rows = shown({"model": ODD})
    read = pd.read_csv(io.StringIO(FORMATS["csv"](rows)), dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(read, rows.reset_index(drop=True))


def test_markdown_has_the_shown_cells():
    rows = shown()
    assert cells(FORMATS["markdown"](rows)) == {
        row["model"]: dict(row) for _, row in rows.iterrows()
    }


def test_names_are_escaped():
    rows = shown({"model": ODD})
    assert r"a\_b\&50\%" in FORMATS["latex"](rows)
    assert "a_b&amp;50%&lt;i&gt;" in FORMATS["html"](rows)


def test_latex_has_no_character_that_its_fonts_lack():
    text = FORMATS["latex"](shown({"commit": "def"}))
    assert text.isascii()
    assert r"0.750 $\pm$" in text
    assert r"\textsuperscript{1}" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert f"\\{rule}" in text


def test_html_is_a_plain_table():
    text, rows = FORMATS["html"](shown()), shown()
    found = [re.findall(r"<t[dh]>(.*?)</t[dh]>", row) for row in text.split("</tr>")[:-1]]
    assert found == [list(rows.columns), *rows.to_numpy().tolist()]
    assert set(re.findall(r"<(\w+)", text)) == {"table", "thead", "tbody", "tr", "th", "td"}
