"""The page as text: one file, nothing outside of it, nothing that a name could break."""

import re

import pytest

from benchmarks.records import frames, store
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.html.page import page
from benchmarks.report.standing import standing

EVIL = "<script>alert(1)</script>"
NETS = {"lenet": [0.70, 0.71], "resnet18": [0.80, 0.81]}


def comparison_of(folder):
    records = store.load(folder)
    rows = frames.frame(records)
    return Comparison(folder, records, rows, standing(folder, records, rows))


@pytest.fixture
def comparison(make_results, tmp_path):
    return comparison_of(make_results(tmp_path, NETS))


def test_the_page_is_small_and_the_same_each_time(comparison):
    html = page(comparison)
    assert len(html.encode()) < 8e6
    assert page(comparison_of(comparison.folder)) == html


def test_nothing_is_loaded_from_elsewhere(comparison):
    html = re.sub(r"<script>.*?</script>", "", page(comparison), flags=re.DOTALL)
    sources = re.findall(r"(?:src|href)=[\"']?([^\"'\s>]*)|url\(([^)]*)\)|@import", html)
    assert sources
    for source in filter(None, ("".join(each) for each in sources)):
        assert source.startswith(("#", "data:")), source
    assert "default-src 'none'" in html
