import itertools
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

from benchmarks.analysis.accuracies import Accuracies
from benchmarks.analysis.intervals import Interval
from benchmarks.records.record import FAILED
from benchmarks.report import plots
from benchmarks.report.drawing import LEAST_POINTS
from benchmarks.report.plots.front import front
from benchmarks.report.plots.lineup import lineup
from benchmarks.report.plots.series import MOST_NAMES
from benchmarks.report.standing import Standing, of_accuracies
from benchmarks.report.style import FAINT, GREY, LINE_COLORS, save
from tests.benchmarks.report.figures import predictions_of, texts, words
from tests.benchmarks.report.frames import crowd, curves_of, evaluations_of, varied

NETS = 8
SEEDS = 3
IMAGES = 500


def standing_of(rows):
    draw = np.random.default_rng(0)
    correct = {
        model: draw.random((len(runs), IMAGES)) < runs["test_accuracy"].to_numpy()[:, None]
        for model, runs in rows.groupby("model", sort=False)
    }
    return of_accuracies(Accuracies.of(correct))


@pytest.fixture(scope="module")
def drawn():
    """All plots of eight nets with three seeds, one at chance, and of one that failed."""
    rows = crowd(NETS, SEEDS, majority_share=0.5)
    failed = rows.iloc[:1].assign(model="broken", status=FAILED, test_accuracy=np.nan)
    given = pd.concat([rows, failed], ignore_index=True)
    figures = plots.figures(given, curves_of(rows), evaluations_of(rows), standing_of(rows))
    found = dict(figures) | dict(plots.of_predictions(given, predictions_of(rows)))
    for figure in found.values():
        figure.draw_without_rendering()
    yield found
    plt.close("all")


def test_no_text_leaves_the_figure_or_covers_another(drawn):
    names = ["accuracy", "speed", "macs", "parameters", "cost", "curves"]
    assert list(drawn) == [*names, "confusion", "calibration"]
    assert {*drawn, "vary"} == plots.NAMES
    for name, figure in drawn.items():
        # Of an annotation, without its arrow.
        boxes = {text: plt.Text.get_window_extent(text) for text in texts(figure)}
        page = figure.bbox.padded(1)
        outside = [text.get_text() for text, box in boxes.items() if not _is_within(box, page)]
        assert not outside, (name, outside)
        for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
            shared = max(0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(
                0, min(a.y1, b.y1) - max(a.y0, b.y0)
            )
            least = min(a.width * a.height, b.width * b.height)
            is_covered = shared > 0.1 * least and "\n" not in one.get_text() + other.get_text()
            assert not is_covered, (name, one, other)


def _is_within(box, page):
    return page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1


def test_titles_say_data_protocol_machine_and_seeds(drawn):
    for figure in drawn.values():
        assert figure.get_suptitle().startswith("cifar10, protocol small")
        assert any(text.startswith("cpu; seeds 0, 1, 2") for text in words(figure))


def test_a_net_has_one_colour_in_all_plots(drawn):
    for axes in (*drawn["curves"].axes, *drawn["cost"].axes):
        assert set(LINE_COLORS) == {to_hex(line.get_color()) for line in axes.lines} - {FAINT}
    (dots,) = (each for each in drawn["accuracy"].axes[0].collections if _is_of_all(each))
    by_place = dict(zip(-dots.get_offsets()[:, 1], map(to_hex, dots.get_facecolor()), strict=True))
    assert [by_place[place] for place in range(NETS)] == list(LINE_COLORS)
    (of_one,) = (line for line in drawn["curves"].axes[1].lines if _ends_at(line, 0.9 + 0.01))
    assert of_one.get_color() == LINE_COLORS[0]


def _is_of_all(points):
    return len(points.get_offsets()) == NETS and len(points.get_facecolor()) == NETS


def _ends_at(line, accuracy):
    return line.get_ydata()[-1] == pytest.approx(accuracy, abs=0.01)


def test_the_best_net_is_first_and_a_failed_one_last(drawn):
    axes = drawn["accuracy"].axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == [*(f"net{number:02}" for number in reversed(range(NETS))), "broken"]
    assert FAILED in words(drawn["accuracy"])
    assert "bars at the right" in " ".join(words(drawn["accuracy"]))


def test_chance_is_shown_where_a_net_is_near_it(drawn):
    assert all("chance" in words(drawn[name]) for name in ("accuracy", "speed", "macs"))
    assert "chance" not in words(plots.accuracy(crowd(2, majority_share=0.1)))


def test_a_rebuild_writes_the_same_bytes(tmp_path):
    rows = crowd(3, 2)
    for number in range(2):
        save(plots.accuracy_against(rows), tmp_path / f"{number}.png")
    for suffix in ("png", "svg"):
        assert (tmp_path / f"0.{suffix}").read_bytes() == (tmp_path / f"1.{suffix}").read_bytes()


def test_small_differences_do_not_fill_an_axis():
    rows = crowd(2, test_accuracy=[0.9, 0.901], train_accuracy=0.9)
    low, high = plots.accuracy(rows).axes[0].get_xlim()
    assert high - low >= LEAST_POINTS * (1 - 1e-9)
    low, high = plots.accuracy_against(rows).axes[0].get_ylim()
    assert high - low >= LEAST_POINTS * (1 - 1e-9)
    plt.close("all")


points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


@given(points)
def test_the_front_is_what_no_point_dominates(found):
    costs, scores = zip(*found, strict=True)
    expected = [
        not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in found)
        for cost, score in found
    ]
    assert front(costs, scores).tolist() == expected


def test_of_many_points_those_on_the_front_are_named():
    rows = crowd(25)
    beaten = rows["model"] == "net20"
    rows.loc[beaten, "examples_per_sec"] = 5.0
    names = {text.get_text() for text in plots.accuracy_against(rows).axes[0].texts}
    assert names == set(rows["model"]) - {"net00", "net20"}
    plt.close("all")


def test_a_net_measured_elsewhere_is_hollow_and_not_on_the_front():
    rows = crowd(3, device=["other", "cpu", "cpu"], examples_per_sec=[1e6, 10.0, 20.0])
    axes = plots.accuracy_against(rows).axes[0]
    (line,) = (line for line in axes.lines if len(line.get_xdata()) > 2)
    assert max(line.get_xdata()) == 20
    assert "other conditions" in words(axes.figure)
    of_size = plots.accuracy_against(rows, "macs")
    assert "other conditions" not in words(of_size)
    plt.close("all")


def bars(axes):
    """The ends of all intervals, (n, 2 ends, 2)."""
    drawn = [lines for lines in axes.collections if isinstance(lines, LineCollection)]
    return np.array([segment for lines in drawn for segment in lines.get_segments()])


def test_a_speed_has_its_interval_where_its_runs_had_one_condition():
    rows = crowd(3, 2)
    rows.loc[rows.index[rows["model"] == "net02"][:1], "device"] = "other"
    known = {name: Interval(10.0, 8.0, 12.0) for name in ("net01", "net02")}
    unknown = {"net00": Interval(10.0, math.nan, math.nan)}
    stands = Standing(speeds={"examples_per_sec": known | unknown, "relative_speed": {}})
    axes = plots.accuracy_against(rows, standing=stands).axes[0]
    level = [bar for bar in bars(axes) if bar[0][0] != bar[1][0]]
    assert np.array(level)[:, :, 0].tolist() == [[8.0, 12.0]]
    assert axes.get_xlim()[0] < 8
    (of_size,) = plots.accuracy_against(rows, "macs", stands).axes
    assert not any(bar[0][0] != bar[1][0] for bar in bars(of_size))
    plt.close("all")


@pytest.mark.parametrize("size", [1, 8, 9, 45])
def test_lines_are_told_apart_however_many_there_are(size):
    rows = crowd(size)
    axes = plots.training_curves(rows, curves_of(rows)).axes[1]
    colors = [line.get_color() for line in axes.lines]
    assert len(colors) == size
    assert len(set(colors) & set(LINE_COLORS)) == min(size, 8)
    assert colors.count(GREY) == max(0, size - 8)
    named = {text.get_text() for text in axes.texts}
    assert {f"net{size - 1:02}", "net00"} <= named
    assert len(named) == min(size, 8)
    assert (f"grey: {size - 8} more" in " ".join(words(axes.figure))) == (size > 8)
    plt.close("all")


def test_one_epoch_is_a_point_at_a_whole_tick():
    rows = crowd(2)
    figure = plots.training_curves(rows, curves_of(rows, epochs=1))
    figure.draw_without_rendering()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]
        assert all(line.get_marker() == "o" for line in axes.lines)
    plt.close("all")


def test_seeds_that_differ_are_counted():
    rows = crowd(2, 3).iloc[:-1]
    assert any("2 to 3 seeds each" in text for text in words(plots.accuracy(rows)))
    assert len(lineup(rows).labels) == 2
    plt.close("all")


@pytest.mark.parametrize(
    ("field", "values", "scale", "ticks"),
    [
        ("batch_size", [16, 64, 256], "log", ["16", "64", "256"]),
        ("momentum", [0.0, 0.9], "linear", ["0", "0.9"]),
        ("clip_norm", ["none", 0.2, 1.0], "linear", ["0.2", "1", "none"]),
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
        assert {text.get_text() for text in axes.texts} == {"lenet", "resnet18"}
    of_lenet = rows[rows["model"] == "lenet"]
    means = of_lenet.groupby("varied_value", sort=False)["test_accuracy"].mean()
    drawn = [sorted(line.get_ydata()) for line in panels[0].lines]
    assert any(line == pytest.approx(sorted(means)) for line in drawn)
    plt.close("all")


def test_speeds_have_their_intervals_along_a_varied_field():
    rows = varied("batch_size", [16, 64])
    labels = lineup(rows).done["label"].unique()
    known = {label: Interval(1_234.5, 1_000.0, 1_500.0) for label in labels}
    _, axes, _ = plots.knob(rows, Standing(speeds={"examples_per_sec": known})).axes
    ends = [[[x, 1_000.0], [x, 1_500.0]] for x in (16, 64) for _ in range(2)]
    assert sorted(bars(axes).tolist()) == ends
    plt.close("all")


def test_a_plot_of_a_varied_field_has_no_panel_for_what_was_not_measured():
    rows = varied("batch_size", [16, 64]).assign(peak_memory_mb=None)
    assert len(plots.knob(rows).axes) == 2


def test_values_of_many_nets_are_not_all_named():
    rows = crowd(12).assign(varied="batch_size")
    rows = pd.concat(
        [rows.assign(varied_value=value, key=rows["key"] + str(value)) for value in (16, 64)],
        ignore_index=True,
    )
    axes = plots.training_curves(rows, curves_of(rows)).axes[1]
    assert len(axes.texts) == MOST_NAMES
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert {(color, dashes) for color in LINE_COLORS for dashes in ("-", "--")} <= looks
    assert any("grey: 4 more" in text for text in words(plots.knob(rows)))
    plt.close("all")


def test_what_was_not_timed_is_not_drawn():
    rows = crowd(2, examples_per_sec=np.nan, fit_seconds=np.nan, train_flops=np.nan)
    names = [
        name for name, _ in plots.figures(rows, curves_of(rows), evaluations_of(rows[:0]), None)
    ]
    assert names == ["accuracy", "macs", "parameters", "curves"]
    plt.close("all")
