"""The studies that train nets of one plan with other convolutions, sizes or rates."""

import json
from dataclasses import replace

import pytest

from benchmarks import studies
from benchmarks.execution.executor import make_executor
from benchmarks.execution.sweep import sweep
from benchmarks.records.store import RecordStore
from benchmarks.studies.base import Context, comparisons, overview

SMALL = {"seeds": "0,1", "protocol.epochs": 1, "protocol.train_examples": 30}
SWEEPS = {
    "cheap_convolutions_in_nets": {
        "models": "convstack[width=8,convolution=[standard,separable]]",
    },
    "kernel_size_in_nets": {
        "models": "convstack[width=4,kernel_size=[3,5]],convstack[width=2,kernel_size=5]",
    },
    "dilation_rates": {
        "models": "dilated_fcn[groups=1,rates=[[1,2,5],[2,2,4]]]",
        "protocol.image_size": 16,
    },
    "resolution_and_batch": {"image_sizes": "28,32", "batch_sizes": "8,16"},
}
CLAIMS = {
    "cheap_convolutions_in_nets": ["Standard convolutions are better than separable"],
    "kernel_size_in_nets": [
        "Kernel 5 is better than 3 at equal width",
        "Kernel 3 is better than 5 at equal cost",
    ],
    "dilation_rates": ["Rates 1, 2, 5 are better than 2, 2, 4"],
    "resolution_and_batch": [
        "Image size 32 is better than 28",
        "Batch size 16 is better than 8",
    ],
}


LONG = ("kernel_size_in_nets", "resolution_and_batch")


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in SWEEPS]
)
def test_a_sweep_answers_the_question(small_fashion_mnist, tmp_path, name):
    study = studies.load(name)
    folder = tmp_path / "studies" / name
    context = Context(folder, "cpu", small_fashion_mnist, options={"no_timing": True})
    assert study.run(study.settings("quick", SMALL | SWEEPS[name]), context)
    text = study.rebuild(folder)
    verdicts = study.verdicts(study.read(folder))
    of_speed = [each for each in verdicts if "saturate" in each.claim]  # none if 8 is fastest
    assert [each.claim for each in verdicts if each not in of_speed] == CLAIMS[name]
    assert all(each.low <= each.effect <= each.high for each in of_speed)
    assert all(each.sentence in (folder / "table.md").read_text() for each in verdicts)
    assert text
    assert (folder / "plots" / f"{name}.png").exists()


@pytest.mark.usefixtures("in_this_process")
def test_a_training_that_two_sweeps_plan_serves_both(small_fashion_mnist, tmp_path, capsys):
    study = studies.load("resolution_and_batch")
    folder = tmp_path / "studies" / study.name
    context = Context(folder, "cpu", small_fashion_mnist, options={"no_timing": True})
    given = SMALL | {"image_sizes": "28", "batch_sizes": "32", "seeds": "0"}
    assert study.run(study.settings("quick", given), context)
    assert "[1/1]" in capsys.readouterr().out
    rows = study.read(folder)
    assert rows["label"].tolist() == [
        "lenet, image size 28, image_size",
        "lenet, batch size 32, batch_size",
    ]
    assert rows["key"].nunique() == rows["test_accuracy"].nunique() == 1
    assert study.accuracy(rows, rows["label"][1]) == study.accuracy(rows, rows["label"][0])


@pytest.mark.usefixtures("in_this_process")
def test_a_training_of_the_results_folder_is_taken_from_there(
    small_fashion_mnist, tmp_path, capsys
):
    study = studies.load("resolution_and_batch")
    context = Context(tmp_path, "cpu", small_fashion_mnist, options={"no_timing": True})
    given = SMALL | {"image_sizes": "28", "batch_sizes": "16", "seeds": "0"}
    settings = study.settings("quick", given)
    for config in study.configs(settings, context).values():
        (spec,) = [spec for spec, _ in study.planned({"": config})]
        sweep([spec], RecordStore(tmp_path), make_executor(config))
    trained = {path.name: path.read_bytes() for path in tmp_path.rglob("predictions/*.npz")}
    capsys.readouterr()
    context = replace(context, folder=tmp_path / "studies" / study.name)
    assert study.run(settings, context)
    assert capsys.readouterr().out.count("timed again: it was only trained") == 2
    taken = {path.name: path.read_bytes() for path in context.folder.rglob("predictions/*.npz")}
    assert taken == trained


def test_paragraphs_stand_in_table_and_overview(make_results, tmp_path):
    study = studies.load("depth")
    folder = tmp_path / "studies" / "depth"
    made = make_results(folder, {"resnet20": [0.5, 0.6]})
    (folder / comparisons.SWEEPS).write_text(json.dumps({"": str(made.relative_to(folder))}))
    study.about = lambda rows: f"{len(rows)} trainings."
    study.rebuild(folder)
    overview.write(folder.parent)
    for page in (folder / "table.md", folder.parent / "README.md"):
        assert "2 trainings." in page.read_text()


@pytest.mark.parametrize("name", SWEEPS)
def test_both_budgets_are_sweeps_that_can_be_served(tmp_path, name):
    study = studies.load(name)
    context = Context(tmp_path / "studies" / name, "cpu")
    for budget in ("quick", "full"):
        assert study.configs(study.settings(budget, {}), context)
