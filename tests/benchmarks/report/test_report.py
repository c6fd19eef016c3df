import dataclasses
import itertools

import pandas as pd
import pytest
from matplotlib.figure import Figure

from benchmarks.records import record
from benchmarks.records.record import FAILED, RecordStore, RunRecord
from benchmarks.report import plots, table
from benchmarks.report.rebuild import rebuild as rebuild_report

VALUES = {
    "parameters": 61_706,
    "macs": 416_520,
    "loss": 0.5,
    "train_accuracy": 0.8,
    "test_accuracy": 0.75,
    "examples_per_sec": 1_234.5,
    "relative_speed": 0.1234,
    "reference_drift": 0.01,
    "loop_efficiency": 0.987,
    "bound_by": "net",
    "fit_seconds": 12.3,
    "torch_version": "2.0",
    "commit": "abc",
    "data_source": "CIFAR-10 in small",
    "history": [{"epoch": 1, "loss": 0.9, "train_accuracy": 0.6}],
}


@pytest.fixture
def store(make_spec, tmp_path):
    store = RecordStore(tmp_path)
    for model, seed, accuracy in (("lenet", 0, 0.7), ("lenet", 1, 0.8), ("resnet18", 0, 0.9)):
        spec = make_spec(model, seed)
        store.write(spec, RunRecord.of(spec, **{**VALUES, "test_accuracy": accuracy}))
    return store


def rebuild(store):
    (folder,) = store.folders()
    return folder, rebuild_report(folder)


def cells(markdown):
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


def test_the_table_has_a_row_a_model_best_first(store):
    _, markdown = rebuild(store)
    rows = cells(markdown)
    assert list(rows) == ["resnet18", "lenet"]
    assert rows["resnet18"] == {
        "model": "resnet18",
        "parameters": "61,706",
        "MACs": "416,520",
        "loss": "0.500",
        "train accuracy": "0.800",
        "test accuracy": "0.900",
        "examples/sec": "1,234",
        "relative speed": "0.123",
        "loop efficiency": "0.99",
        "bound by": "net",
        "seconds": "12",
    }


def test_seeds_become_mean_and_deviation(store):
    _, markdown = rebuild(store)
    assert cells(markdown)["lenet"]["test accuracy"] == "0.750 ± 0.071"


def test_what_the_numbers_rest_on_stands_under_the_table(store):
    _, markdown = rebuild(store)
    for fact in ("protocol: small", "device: cpu", "torch 2.0", "commit: abc", "in small"):
        assert fact in markdown


def test_everything_is_written(store):
    folder, markdown = rebuild(store)
    assert (folder / "table.md").read_text() == markdown + "\n"
    rows = pd.read_csv(folder / "results.csv")
    assert list(rows.columns) == record.COLUMNS
    assert len(rows) == 3
    assert len(pd.read_csv(folder / "curves.csv")) == 3
    for name in ("accuracy", "speed", "curves"):
        assert (folder / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_failed_run_is_shown_as_failed_with_its_reason(store, make_spec):
    spec = make_spec("nin", image_size=70)
    spec = dataclasses.replace(spec, protocol_digest=make_spec().protocol_digest)
    store.write(spec, RunRecord.of(spec, status=FAILED, error="out | of <memory>"))
    _, markdown = rebuild(store)
    assert cells(markdown)["nin"]["parameters"] == "failed"
    assert "nin (seed 0) failed: out \\| of &lt;memory>" in markdown


def test_nothing_but_failures_is_still_a_table(make_spec, tmp_path):
    store, spec = RecordStore(tmp_path), make_spec()
    store.write(spec, RunRecord.of(spec, status=FAILED, error="no luck"))
    _, markdown = rebuild(store)
    assert "no luck" in markdown


def test_rows_of_an_older_protocol_are_left_out_and_counted(store, make_spec):
    spec = make_spec("googlenet", epochs=3)
    record = RunRecord.of(spec, **VALUES, finished_at="2000-01-01T00:00:00+00:00")
    store.write(spec, record)
    folder, markdown = rebuild(store)
    assert "googlenet" not in cells(markdown)
    assert "1 older runs" in markdown
    assert "googlenet" in set(pd.read_csv(folder / "results.csv")["model"])


def test_devices_are_not_mixed_in_silence(store, make_spec):
    spec = make_spec("googlenet")
    store.write(spec, RunRecord.of(spec, **VALUES, device="another"))
    assert "do not compare their speeds" in rebuild(store)[1]


def test_rough_speeds_and_micro_batches_are_marked(store, make_spec):
    assert "†" not in rebuild(store)[1]
    spec = make_spec("googlenet")
    unsteady = {**VALUES, "reference_drift": 0.06, "micro_batches": 4}
    store.write(spec, RunRecord.of(spec, **unsteady))
    _, markdown = rebuild(store)
    rows = cells(markdown)
    assert rows["googlenet"]["examples/sec"] == "1,234 †"
    assert rows["lenet"]["examples/sec"].startswith("1,234 ±")
    assert "faster or slower by more than 5 %" in markdown
    assert "googlenet (seed 0) did not fit in memory" in markdown
    assert "4 micro-batches" in markdown


def test_runs_that_shared_the_machine_or_were_resumed_are_marked(store, make_spec):
    spec = make_spec("googlenet")
    store.write(spec, RunRecord.of(spec, **VALUES, jobs=2, resumed=1))
    _, markdown = rebuild(store)
    assert "Up to 2 runs shared the machine" in markdown
    assert "googlenet (seed 0) was resumed once" in markdown


def test_text_from_outside_is_no_markup():
    escaped = table._escape("<b>a</b> [x](y) | `c` *d*\n# e")
    assert escaped == "&lt;b>a&lt;/b> \\[x\\](y) \\| \\`c\\` \\*d\\* # e"


def test_plots_draw_from_the_csv(store):
    folder, _ = rebuild(store)
    rows, curves = (pd.read_csv(folder / f"{name}.csv") for name in ("results", "curves"))
    accuracy = plots.accuracy(rows)
    assert isinstance(accuracy, Figure)
    labels = [label.get_text() for label in accuracy.axes[0].get_yticklabels()]
    assert labels == ["lenet", "resnet18"]
    assert len(plots.training_curves(curves).axes[0].lines) == 2
    speed = plots.accuracy_against_speed(rows).axes[0]
    assert {text.get_text() for text in speed.texts} == {"lenet", "resnet18"}


def test_speeds_are_written_out(store):
    """Those within a decade of each other too."""
    rows = pd.read_csv(rebuild(store)[0] / "results.csv")
    rows["examples_per_sec"] = [12_000.0 * (place + 1) for place in range(len(rows))]
    axes = plots.accuracy_against_speed(rows).axes[0]
    axes.figure.canvas.draw()
    labels = {label.get_text() for label in axes.get_xticklabels(which="both")} - {""}
    assert "20,000" in labels
    assert all(label.replace(",", "").isdigit() for label in labels)


def test_labels_lie_in_the_same_places_however_slow_the_machine(store, monkeypatch):
    rows = pd.read_csv(rebuild(store)[0] / "results.csv")
    crowd = pd.concat([rows.assign(model=rows["model"] + str(number)) for number in range(4)])

    def places():
        texts = plots.accuracy_against_speed(crowd).axes[0].texts
        return [text.get_position() for text in texts]

    soon = places()
    monkeypatch.setattr("adjustText.timer", itertools.count(step=10).__next__)
    assert places() == soon


def test_values_in_words():
    assert table.values(pd.Series([1000.0, 1000.0, 20.0]), " px") == "1,000 px / 20 px"
    assert table.values(pd.Series([None, "a"])) == "a"
