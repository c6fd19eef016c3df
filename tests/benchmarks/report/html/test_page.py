"""The page as text: one file, nothing outside of it, nothing that a name could break."""

import html
import json
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks.records.record import FAILED, OK
from benchmarks.report.html import classes, inline, models, pictures, studies
from benchmarks.report.html import page as module
from benchmarks.report.html.page import SCRIPTS, STYLES, page
from benchmarks.report.html.words import figure
from tests.benchmarks.report.html.pages import EVIL, comparison, without
from tests.benchmarks.results import predictions


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return comparison(tmp_path_factory.mktemp("results") / "cifar10" / "quick")


def without_scripts(text):
    return re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)


def embedded(text, section):
    return json.loads(re.search(rf'id="data-{section}">(.*?)</script>', text)[1])


def test_the_page_is_small_and_the_same_each_time(made):
    text = page(made)
    assert len(text.encode()) < 8e6
    assert page(comparison(made.folder)) == text


def test_a_page_that_would_be_too_large_leaves_out_what_is_needed_least(made, monkeypatch):
    monkeypatch.setattr(models, "picture", lambda path: "data:" + "x" * 40_000)
    full = page(made)
    assert "below 8 MB" not in full
    assert full.count("x" * 40_000) == len(made.by_label)
    text, said = full, []
    for _ in range(2):
        monkeypatch.setattr(module, "MOST_BYTES", len(text.encode()) - 1)
        text = page(made)
        said.append(re.search(r"below 8 MB: (.*)\.", text)[1])
        assert len(text.encode()) <= module.MOST_BYTES
        assert "x" * 40_000 not in text
        assert ('id="explorer"' in text) == ("the explorer" not in said[-1])
    assert said == ["wrong images", "wrong images, the explorer"]


def test_nothing_is_loaded_from_elsewhere(made):
    text = page(made)
    assert "default-src 'none'" in text
    assert not re.search(r"<script[^>]*(\ssrc|type=.?module)", text)
    sources = re.findall(
        r"\b(?:src|href)=[\"']?([^\"'\s>]*)|url\(([^)]*)\)|(@import)", without_scripts(text)
    )
    assert sources
    for source in map("".join, sources):
        assert source.startswith(("#", "data:")), source


def test_names_and_errors_are_escaped(made):
    text = page(made)
    assert EVIL not in text
    assert html.escape(EVIL) in without_scripts(text)
    assert {net["label"] for net in embedded(text, "table")["nets"]} >= {EVIL}


def test_the_table_has_every_column_with_a_value(made):
    data = embedded(page(made), "table")
    names = [column["name"] for column in data["columns"]]
    assert {*made.rows.dropna(axis="columns", how="all")} < {*names, "place"}
    cells = dict(zip(names, data["nets"][0]["cells"], strict=True))
    assert (cells["model"], cells["parameters"]) == ("resnet18", 11_175_370)
    assert cells["test_accuracy"] == pytest.approx(0.805)
    half = made.standing.intervals["resnet18"].half
    assert data["nets"][0]["text"]["test_accuracy"] == f"0.805 ± {half:.3f}"
    assert [net["status"] for net in data["nets"]] == [OK, OK, OK, FAILED]


def test_the_head_says_what_is_best(made):
    text = without_scripts(page(made))
    assert "resnet18 has the highest test accuracy, 0.805 ±" in text
    assert "the data separate it from every other model" in text


@pytest.mark.parametrize("status", [OK, FAILED])
def test_a_page_of_only_failed_or_only_good_runs(made, status):
    text = page(without(made, lambda record: record.status != status))
    assert ('id="failures"' in text) == (status == FAILED)
    assert ('id="plots"' in text) == (status == OK)
    assert ("No run ended well" in text) == (status == FAILED)


def test_a_confusion_matrix_counts_each_seed():
    kept = [predictions(accuracy, "lenet", 0) for accuracy in (1.0, 0.5)]
    found = classes.by_class(kept)
    assert np.mean([accuracy for _, accuracy in found["accuracies"]]) == pytest.approx(0.75)
    assert np.sum(found["matrix"], axis=1) == pytest.approx(1)
    assert found["confusions"][0][:2] in {("cat", "dog"), ("dog", "ship"), ("ship", "cat")}
    assert classes.by_class([]) is None


def test_a_net_has_its_calibration_and_the_images_that_it_gets_wrong(made, monkeypatch):
    nets = models.data(made)
    kept = made.evidence.predictions["resnet18"]
    (error,) = (figure for figure in nets[0]["figures"] if "ECE" in figure[0])
    # All images of these predictions have one confidence.
    distances = [abs(each.correct.mean() - each.confidence[0]) for each in kept]
    assert error[1] == pytest.approx(np.mean(distances))
    assert not any(net["wrong"] for net in nets)
    plots = made.folder / "plots"
    plots.mkdir(exist_ok=True)
    for name in ("resnet18", "lenet"):
        (plots / f"confidently_wrong_{name}.png").write_bytes(b"x" * 300)
    monkeypatch.setattr(models, "MOST_BYTES", 500)
    with_sheet = [net["label"] for net in models.data(made) if net["wrong"]]
    assert with_sheet == ["resnet18"], "the best comes first, and a second one does not fit"
    assert 'alt="Test images that resnet18' in page(made)
    assert page(made).count("confidently_wrong_lenet.png") == 1


def test_studies_are_shown_with_verdicts_and_pictures_that_fit(made, monkeypatch):
    for name, size in (("small", 10), ("large", 1000)):
        folder = made.folder.parents[1] / "studies" / name
        (folder / "plots").mkdir(parents=True)
        (folder / "plots" / f"{name}.png").write_bytes(b"x" * size)
        verdict = {"claim": "a < b", "outcome": "supported", "sentence": "*a*: **supported**. So."}
        (folder / "verdicts.json").write_text(json.dumps([verdict]))
    monkeypatch.setattr(studies, "MOST_BYTES", 500)
    large, small = studies.data(made)
    assert large["file"] in without_scripts(page(made))
    assert (large["picture"], small["picture"][:22]) == ("", "data:image/png;base64,")
    assert small["verdicts"] == [{"claim": "a < b", "outcome": "supported", "rest": "So."}]
    assert "a &lt; b" in page(made)
    (made.folder.parents[1] / "studies" / "small" / "verdicts.json").write_text("{")
    assert studies.data(made)[1]["verdicts"] == []


def test_a_large_picture_is_compressed(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "name.png")
    monkeypatch.setattr(pictures, "LARGE", 1000)
    address = pictures.picture(tmp_path / "name.png")
    assert address.startswith("data:image/webp;base64,")
    assert len(address) < (tmp_path / "name.png").stat().st_size / 2


def test_every_script_and_style_is_in_the_page():
    names = {path.name for path in inline.STATIC.iterdir()}
    assert names == {f"{n}.js" for n in SCRIPTS} | {f"{n}.css" for n in STYLES}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (3.0, "3"),
        (0.65, "0.650"),
        (97.25, "97.2"),
        (1918.1, "1,918"),
        (5.05e12, "5.05 T"),
    ],
)
def test_figures_are_read_by_people(value, text):
    assert figure(value) == text
