import dataclasses

import numpy as np
import pytest

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.published import beside
from benchmarks.planning.placement import Placement
from benchmarks.records import frames, store
from benchmarks.report import plots
from benchmarks.report.html import published
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.rebuild import rebuild
from benchmarks.report.standing import of_accuracies, standing
from benchmarks.report.table import markdown
from tests.benchmarks.analysis.simulation import World
from tests.benchmarks.report.frames import in_one_line

NETS = {
    "lenet": [0.80, 0.803, 0.798],
    "resnet18": [0.85, 0.849, 0.852],
    "lenet_relu": [0.849, 0.851, 0.85],
}


def drawn(**options):
    return of_accuracies(World(**options).draw(np.random.default_rng(0)))


def table_of(folder):
    rebuild(folder)
    return (folder / "table.md").read_text()


def row(markdown, model):
    lines = [line.strip("| ").split("|") for line in markdown.splitlines() if line[:1] == "|"]
    header, _, *rows = ([cell.strip() for cell in line] for line in lines)
    return dict(zip(header, next(each for each in rows if each[0] == model), strict=True))


def test_a_table_shows_places_and_intervals_over_seeds_and_images(make_results, tmp_path):
    folder = make_results(tmp_path, NETS)
    markdown = table_of(folder)
    stands = standing(folder, records := store.load(folder), frames.frame(records))
    assert [row(markdown, model)["place"] for model in NETS] == ["3 b", "1-2 a", "1-2 a"]
    for model, accuracies in NETS.items():
        half = stands.intervals[model].half
        assert row(markdown, model)["test acc."] == f"{np.mean(accuracies):.3f} ± {half:.3f}"
        over_seeds_alone = 4.3 * np.std(accuracies, ddof=1) / np.sqrt(3)
        assert half > over_seeds_alone
    assert "over seeds and test images together" in in_one_line(markdown)
    assert "Minimal detectable difference" in in_one_line(markdown)
    figure = plots.accuracy(frames.frame(records), stands)
    assert "95 % over seeds and test images" in {
        text.get_text() for text in figure.legends[0].get_texts()
    }


def test_rows_without_predictions_say_so(make_results, tmp_path):
    assert "without predictions" not in table_of(make_results(tmp_path / "kept", NETS))
    lost = table_of(make_results(tmp_path / "lost", NETS, with_predictions=False))
    assert "without predictions" in in_one_line(lost)
    assert "±" in row(lost, "lenet")["test acc."]


def test_devices_of_a_model_have_a_row_and_an_interval_each(make_results, tmp_path):
    folder = make_results(tmp_path, NETS)
    two = {"placement": Placement(device="cpu", devices=2)}
    make_results(tmp_path, {"lenet": NETS["lenet"]}, fields=two)
    records = store.load(folder)
    found = standing(folder, records, frames.frame(records))
    assert set(found.intervals) == {
        "lenet, 1 cpu",
        "lenet, 2 cpu",
        "resnet18, 1 cpu",
        "lenet_relu, 1 cpu",
    }


def test_one_seed_each_speaks_of_these_trainings():
    method = drawn(means=(1.5, 1.4), seeds=1).method
    assert "these trainings only" in method
    assert "over the seeds" not in method


def test_one_net_has_no_place():
    alone = drawn(means=(1.5,))
    assert alone.places == {}
    assert "Places" not in alone.method


def test_what_would_lower_the_detectable_difference_is_said():
    nets = (1.5,) * 4
    assert (
        "seeds of each net would make it 1 point"
        in drawn(means=nets, images=20_000, seed=0.05).method
    )
    assert "since 500 test images allow" in drawn(means=nets, images=500).method


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.80, "inside"), (0.9, "outside")])
def test_published_figures_stand_beside_measured_ones(accuracy, verdict):
    right = np.arange(10_000) < accuracy * 10_000
    table = Accuracies.of({"lenet": right[None], "mynet": right[None]})
    (found,) = beside(table, "fashion_mnist", "d2l")
    assert (found.figure.model, found.verdict) == ("lenet", verdict)
    assert beside(table, "fashion_mnist", "quick")[0].verdict == "another recipe"
    assert beside(table, "cifar10", "d2l") == []


def test_published_figures_are_a_table_of_their_own(make_results, tmp_path):
    folder = make_results(tmp_path, NETS)
    own = {"dataset": "fashion_mnist", "protocol": "d2l"}
    records = [
        dataclasses.replace(record, setup=dataclasses.replace(record.setup, **own))
        for record in store.load(folder)
    ]
    rows = frames.frame(records)
    stands = standing(folder, records, rows)
    assert "| lenet " in markdown(rows, {}, stands)
    section = published.data(Comparison(folder, records, rows, stands))
    assert "0.777 to 0.825 (130)" in section["rows"][0]
