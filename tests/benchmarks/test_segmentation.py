"""Dense prediction through the whole suite, on masks of Fashion-MNIST in small."""

import pandas as pd
import pytest

import datamodules
import lit_models
from benchmarks import cli
from benchmarks.planning.fingerprint import imported_digest
from benchmarks.planning.placement import Placement
from benchmarks.planning.plan import RunSpec
from benchmarks.planning.protocol import Protocol
from benchmarks.records.parts import Cost, Scores, Speed
from benchmarks.records.record import OK, RunRecord
from benchmarks.records.store import RecordStore
from benchmarks.report.rebuild import rebuild as rebuild_report

CPU = Placement("cpu", strategy="single_device")
DATASET = ("--dataset", "fashion_mnist_masks")
SMALL = (
    *("--protocol", "quick", "--protocol.image_size", "32", "--protocol.epochs", "2"),
    *("--protocol.batch_size", "16", "--protocol.train_examples", "null"),
)


def run(tmp_path, data_dir, *arguments):
    folders = ("--results", tmp_path / "results", "--data-dir", data_dir, "--device", "cpu")
    return cli.main(list(map(str, ("run", *DATASET, *SMALL, *folders, *arguments))))


def rows_of(tmp_path):
    (folder,) = (tmp_path / "results" / "fashion_mnist_masks").iterdir()
    return folder, pd.read_csv(folder / "results.csv")


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.slow
def test_all_trains_one_net_of_each_paper_and_compares_them(tmp_path, small_fashion_mnist, capsys):
    assert run(tmp_path, small_fashion_mnist) == 0
    folder, rows = rows_of(tmp_path)
    assert rows["model"].tolist() == ["dilated_fcn", "fcn", "unet"]
    assert set(rows["task"]) == {"segmentation"}
    assert set(rows["status"]) == {OK}
    for score in ("loss", "train_accuracy", "test_accuracy", "test_mean_iou"):
        assert rows[score].notna().all()
    assert rows["validation_mean_iou"].isna().all()
    table = (folder / "table.md").read_text()
    for column in ("train pixel acc.", "test pixel acc.", "mean IoU", "examples/sec"):
        assert f"{column}|" in table
    lines = capsys.readouterr().out.splitlines()
    (header,) = (line.split("  ") for line in lines if line.startswith("model "))
    assert "mean IoU" in map(str.strip, header)
    drawn = {path.name for path in (folder / "plots").iterdir()}
    assert drawn >= {"accuracy.png", "curves.png", "speed.png"}


@pytest.mark.usefixtures("in_this_process")
def test_validation_leaves_the_test_set_alone(tmp_path, small_fashion_mnist):
    arguments = ("--models", "dilated_fcn", "--protocol.validation_examples", 10)
    assert run(tmp_path, small_fashion_mnist, *arguments) == 0
    folder, rows = rows_of(tmp_path)
    assert rows["test_accuracy"].isna().all()
    assert rows["test_mean_iou"].isna().all()
    assert rows["validation_mean_iou"].between(0, 1).all()
    assert "validation pixel acc.|" in (folder / "table.md").read_text()


@pytest.mark.usefixtures("in_this_process")
def test_a_net_learns_the_masks(tmp_path, small_fashion_mnist):
    """All background would be right for more than half of the pixels, with an IoU below 0.08."""
    arguments = ("--models", "dilated_fcn", "--protocol.epochs", 25, "--protocol.batch_size", 10)
    assert run(tmp_path, small_fashion_mnist, *arguments) == 0
    (row,) = rows_of(tmp_path)[1].itertuples()
    assert row.test_accuracy > 0.9
    assert row.test_mean_iou > 0.4


@pytest.mark.parametrize(
    ("dataset", "models", "message"),
    [
        (
            "fashion_mnist_masks",
            "unet,lenet",
            "lenet is for classification; fashion_mnist_masks is for segmentation: "
            "try dilated_fcn, fcn, unet",
        ),
        ("fashion_mnist_masks", "resnet*", "resnet101 is for classification"),
        ("fashion_mnist", "unet", "unet is for segmentation; fashion_mnist is for classification"),
    ],
)
def test_a_net_for_another_task_is_refused(tmp_path, capsys, monkeypatch, dataset, models, message):
    def load(name, data_dir):
        raise AssertionError("the data were loaded")

    monkeypatch.setattr("datamodules.load", load)
    folder = str(tmp_path / "results")
    arguments = ["run", "--dataset", dataset, "--models", models, "--results", folder]
    assert cli.main(arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_list_shows_the_task(capsys):
    assert cli.main(["list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["*", "unet", "segmentation"] in [line[:3] for line in lines]
    assert ["*", "lenet", "classification"] in [line[:3] for line in lines]


def test_describe(capsys):
    assert cli.main(["describe", "unet_wide", "--image-size", "64", "--classes", "2"]) == 0
    text = capsys.readouterr().out
    assert "Ronneberger" in text
    assert "ConvTranspose2d" in text
    assert "2 x 64 x 64" in text


def test_both_rooms_call_the_tasks_the_same():
    tasks = {lit_models.CLASSIFICATION, lit_models.SEGMENTATION}
    assert set(datamodules.TASKS.values()) == tasks
    assert {lit_models.entry(name).task for name in lit_models.names()} == tasks


def test_a_run_depends_on_the_code_of_all_parts_of_its_net():
    assert imported_digest(["lit_models.nets.fcn"]) == imported_digest(
        ["lit_models.nets.fcn", "lit_models.nets.resnet"]
    )
    assert imported_digest(["lit_models.nets.fcn"]) != imported_digest(["lit_models.nets.resnet"])


@pytest.fixture
def write(tmp_path):
    """Writes the record of a net, with the given scores."""
    protocol = Protocol(image_size=32, epochs=2, batch_size=16, learning_rate=0.002)

    def write(model, **scores):
        spec = RunSpec(model, "fashion_mnist_masks", "d", "small", "p", protocol, 0, CPU)
        record = RunRecord.of(
            spec,
            cost=Cost(parameters=9, macs=9),
            speed=Speed(examples_per_sec=1.0),
            scores=Scores(loss=1.0, train_accuracy=0.5, **scores),
            history=[{"epoch": 1, "loss": 1.0, "train_accuracy": 0.5}],
        )
        RecordStore(tmp_path).write(spec, record)

    return write


def test_nets_are_ranked_by_mean_iou(write, tmp_path):
    write("unet", test_accuracy=0.8, test_mean_iou=0.6)
    write("fcn", test_accuracy=0.9, test_mean_iou=0.5)
    folder = tmp_path / "fashion_mnist_masks" / "small"
    rebuild_report(folder)
    markdown = (folder / "table.md").read_text()
    header, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in markdown.splitlines()
        if line.startswith("|")
    )
    first, second = (dict(zip(header, row, strict=True)) for row in rows)
    assert (first["model"], first["mean IoU"]) == ("unet", "0.600")
    assert (second["model"], second["test pixel acc."]) == ("fcn", "0.900")
    assert "intersection over union" in markdown


def test_plots_say_what_they_show(write, tmp_path):
    from benchmarks.report import plots

    write("unet", test_accuracy=0.8, test_mean_iou=0.6)
    write("fcn", test_accuracy=0.9, test_mean_iou=0.5)
    folder = tmp_path / "fashion_mnist_masks" / "small"
    rebuild_report(folder)
    rows, curves = (pd.read_csv(folder / f"{name}.csv") for name in ("results", "curves"))
    accuracy = plots.accuracy(rows)
    assert [label.get_text() for label in accuracy.axes[0].get_yticklabels()] == ["unet", "fcn"]
    assert accuracy.axes[0].get_xlabel() == "pixel accuracy, mean IoU"
    assert plots.accuracy_against(rows).axes[0].get_ylabel() == "test mean IoU"
    assert plots.training_curves(rows, curves).axes[1].get_ylabel() == "train pixel accuracy"
