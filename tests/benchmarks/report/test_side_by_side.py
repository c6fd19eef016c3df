import shutil

import pandas as pd
import pytest

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.report.side_by_side import LONGEST, RECIPE, folders, side_by_side
from tests.benchmarks.report.frames import rows_of

ACCURACIES = {"lenet": [0.80, 0.803, 0.798], "lenet_relu": [0.849, 0.851, 0.85]}
BETTER = {"lenet": [0.90, 0.903, 0.898]}


@pytest.fixture
def results(make_results, tmp_path):
    """Records of two nets under `small`, of one of them under `other`."""
    folder = make_results(tmp_path / "results", ACCURACIES)
    history = [{"epoch": 1, "loss": 0.9, "train_accuracy": 0.6}]
    other = make_results(tmp_path / "more", BETTER, fields={"epochs": 3}, history=history)
    shutil.copytree(other, folder.parent / "other")
    return tmp_path / "results"


def chosen(results):
    return folders(results, ["small", "other"], None)


def test_recipes_are_a_column_and_places_are_over_all_rows(results):
    joined = side_by_side(chosen(results))
    joined.write()
    markdown = (joined.folder / "table.md").read_text()
    assert [(row["recipe"], row["place"]) for row in rows_of(markdown, "lenet")] == [
        ("other", "1 a"),
        ("small", "3 c"),
    ]
    assert [(row["recipe"], row["place"]) for row in rows_of(markdown, "lenet_relu")] == [
        ("small", "2 b")
    ]
    assert "epochs: 3 / 2;" in " ".join(markdown.split())


def test_rows_and_curves_of_all_recipes_are_written(results):
    joined = side_by_side(chosen(results))
    joined.write()
    assert joined.folder == results / "cifar10" / "side_by_side" / "small_and_other"
    rows = pd.read_csv(joined.folder / "results.csv")
    assert rows["varied_value"].value_counts().to_dict() == {"small": 6, "other": 3}
    assert set(rows["varied"]) == {RECIPE}
    assert len(pd.read_csv(joined.folder / "curves.csv")) == 3
    assert (joined.folder / "plots" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_recipes_that_evaluated_other_images_have_no_places(results, make_results, tmp_path):
    held_out = make_results(
        tmp_path / "held out", BETTER, False, {"epochs": 4}, validation_accuracy=0.9
    )
    shutil.copytree(held_out, results / "cifar10" / "third")
    joined = side_by_side(folders(results, ["small", "third"], "cifar10"))
    assert joined.standing.places == {}
    assert joined.standing.speeds["examples_per_sec"]


def test_a_long_name_of_a_folder_is_cut(results):
    first = chosen(results)[0]
    names = [first.with_name("a" * 120), first.with_name("b" * 120)]
    joined = side_by_side([first, first])
    long = type(joined)(names, joined.records, joined.rows, joined.standing)
    assert len(long.folder.name) == LONGEST


@pytest.mark.parametrize(
    ("protocols", "dataset", "words"),
    [
        (["small"], None, "two or more"),
        (["small", "small"], None, "two or more"),
        (["small", "othr"], None, "did you mean other"),
        (["small", "other"], "cifar", "did you mean cifar10"),
    ],
)
def test_a_wrong_choice_is_answered_in_a_line(results, protocols, dataset, words):
    with pytest.raises(UsageError, match=words):
        folders(results, protocols, dataset)


def test_a_dataset_must_be_chosen_where_several_have_the_protocols(results):
    shutil.copytree(results / "cifar10", results / "pets")
    with pytest.raises(UsageError, match="cifar10, pets have records .* choose a --dataset"):
        chosen(results)
    assert folders(results, ["other", "small"], "pets")[0] == results / "pets" / "other"


def test_the_verb_shows_recipes_side_by_side(results, capsys):
    command = ["report", "--results", str(results), "--side-by-side", "small", "other"]
    assert cli.main(command) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "lenet, recipe other",
        "lenet, recipe small",
        "lenet_relu, recipe small",
    ]
    assert last.endswith("table.md, results.csv, plots")
    assert cli.main([*command, "--format", "latex"]) == 0
    assert r"\toprule" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["markdown", "csv"])
def test_the_verb_prints_a_table_and_writes_nothing(results, capsys, form):
    shutil.rmtree(results / "cifar10" / "other")
    assert cli.main(["report", "--results", str(results), "--format", form]) == 0
    printed = capsys.readouterr()
    assert "lenet_relu" in printed.out
    assert str(results) not in printed.out
    assert not (results / "cifar10" / "small" / "table.md").exists()


def test_the_verb_rebuilds_the_comparisons_that_are_asked_for(results, capsys):
    assert cli.main(["report", "--results", str(results), "--protocol", "other"]) == 0
    assert (results / "cifar10" / "other" / "table.md").exists()
    assert not (results / "cifar10" / "small" / "table.md").exists()
    for wrong in (["--protocol", "x"], ["--dataset", "x"], ["--format", "x"]):
        assert cli.main(["report", "--results", str(results), *wrong]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "unknown" in line
