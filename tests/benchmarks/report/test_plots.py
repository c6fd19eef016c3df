import itertools

import pandas as pd
import pytest
from matplotlib.figure import Figure

from benchmarks.report import plots
from benchmarks.report.style import LINE_COLORS
from tests.benchmarks.report.frames import frame, varied


def test_plots_are_drawn_from_the_csv():
    rows = frame()
    accuracy = plots.accuracy(rows)
    assert isinstance(accuracy, Figure)
    labels = [label.get_text() for label in accuracy.axes[0].get_yticklabels()]
    assert labels == ["lenet", "resnet18"]
    speed = plots.accuracy_against_speed(rows).axes[0]
    assert {text.get_text() for text in speed.texts} == {"lenet", "resnet18"}
    rows["key"] = ["a", "b", "c"]
    curves = rows.assign(epoch=1)[["task", "seed", "epoch", "loss", "train_accuracy", "key"]]
    assert len(plots.training_curves(rows, curves).axes[0].lines) == 2
    assert len(plots.training_curves(rows[rows["seed"] == 1], curves).axes[0].lines) == 1


@pytest.mark.parametrize(
    ("field", "values", "scale", "ticks"),
    [
        ("batch_size", [16, 64, 256], "log", ["16", "64", "256"]),
        ("image_size", [28, 40], "linear", ["28", "40"]),
        ("learning_rate", [0.01, 0.001], "log", ["0.001", "0.01"]),
        ("momentum", [0.0, 0.9], "linear", ["0", "0.9"]),
        ("optimizer", ["sgd", "adamw"], "linear", ["adamw", "sgd"]),
        ("clip_norm", ["none", 0.2, 1.0], "linear", ["0.2", "1", "none"]),
        ("augmentation", ["flip+crop", "none"], "linear", ["none", "flip+crop"]),
        ("epochs", [2], "linear", ["2"]),
    ],
)
def test_a_varied_field_is_the_axis_of_a_plot(field, values, scale, ticks):
    rows = varied(field, values)
    panels = plots.knob(rows).axes
    assert [axes.get_ylabel() for axes in panels] == [
        "test accuracy",
        "training examples/sec",
        "peak memory in training (MiB)",
    ]
    for axes in panels:
        assert (axes.get_xlabel(), axes.get_xscale()) == (field.replace("_", " "), scale)
        assert [label.get_text() for label in axes.get_xticklabels()] == ticks
        assert {line.get_label() for line in axes.lines} == {"lenet", "resnet18"}
    means = (
        rows[rows["model"] == "lenet"].groupby("varied_value", sort=False)["test_accuracy"].mean()
    )
    (line,) = (line for line in panels[0].lines if line.get_label() == "lenet")
    assert sorted(line.get_ydata()) == pytest.approx(sorted(means))


def test_a_plot_of_a_varied_field_has_no_panel_for_what_was_not_measured():
    rows = varied("batch_size", [16, 64]).assign(peak_memory_mb=None)
    assert len(plots.knob(rows).axes) == 2


def crowd(size):
    """As many models, the later the better and the slower, but for the first, which is slow too."""
    numbers = range(size)
    rows = pd.concat([frame().iloc[:1]] * size, ignore_index=True)
    return rows.assign(
        model=[f"net{number:02}" for number in numbers],
        key=[str(number) for number in numbers],
        train_accuracy=[(1 + number) / (1 + size) for number in numbers],
        test_accuracy=[(1 + number) / (1 + size) for number in numbers],
        examples_per_sec=[1.0, *(10.0 * (size - number) for number in numbers[1:])],
    )


@pytest.mark.parametrize("size", [1, 8, 9, 45])
def test_lines_are_told_apart_however_many_there_are(size):
    rows = crowd(size)
    curves = pd.concat([rows.assign(epoch=epoch) for epoch in (1, 2)])
    curves = curves[["task", "seed", "epoch", "loss", "train_accuracy", "key"]]
    figure = plots.training_curves(rows, curves)
    lines = [line for line in figure.axes[1].lines if len(line.get_xdata())]
    assert len(lines) == size
    colors = [line.get_color() for line in lines if line.get_color() in LINE_COLORS]
    assert len(set(colors)) == len(colors) == min(size, 8)
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert (named[0], named[min(size, 8) - 1]) == (f"net{size - 1:02}", "net00")
    assert named[8:] == ([f"{size - 8} more"] if size > 8 else [])


def test_lines_of_a_varied_field_are_told_apart_too():
    rows = crowd(45).assign(varied="batch_size", peak_memory_mb=1.0)
    rows = pd.concat([rows.assign(varied_value=value) for value in (16, 64)], ignore_index=True)
    figure = plots.knob(rows)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    assert len(lines) == 45
    assert len({line.get_color() for line in lines} & set(LINE_COLORS)) == 8
    assert [text.get_text() for text in figure.legends[0].get_texts()][8:] == ["37 more"]


def test_of_many_points_those_are_named_that_no_other_beats():
    rows = crowd(45)
    beaten = rows["model"] == "net30"
    rows.loc[beaten, "examples_per_sec"] = 5.0
    axes = plots.accuracy_against_speed(rows).axes[0]
    assert "named: none is faster and better" in axes.get_title("left")
    assert {text.get_text() for text in axes.texts} == set(rows["model"]) - {"net00", "net30"}


def test_speeds_are_written_out_also_within_a_decade():
    rows = frame().assign(examples_per_sec=[12_000.0, 24_000.0, 36_000.0])
    axes = plots.accuracy_against_speed(rows).axes[0]
    axes.figure.canvas.draw()
    labels = {label.get_text() for label in axes.get_xticklabels(which="both")} - {""}
    assert "20,000" in labels
    assert all(label.replace(",", "").isdigit() for label in labels)


def test_places_of_labels_do_not_depend_on_the_speed_of_the_machine(monkeypatch):
    rows = frame()
    crowd = pd.concat([rows.assign(model=rows["model"] + str(number)) for number in range(4)])

    def places():
        texts = plots.accuracy_against_speed(crowd).axes[0].texts
        return [text.get_position() for text in texts]

    fast = places()
    monkeypatch.setattr("adjustText.timer", itertools.count(step=10).__next__)
    assert places() == fast
