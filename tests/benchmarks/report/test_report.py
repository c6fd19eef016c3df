import dataclasses
import subprocess
import sys

import pandas as pd
import pytest
from scipy import stats

from benchmarks.planning.protocol import Protocol
from benchmarks.records.record import COLUMNS, FAILED
from benchmarks.records.store import RecordStore
from benchmarks.report import comparable, notes, plots, table
from benchmarks.report.rebuild import rebuild
from benchmarks.report.text import WIDTH
from tests.benchmarks.report.frames import (
    MEASURED,
    cells,
    frame,
    in_one_line,
    rows_of,
    varied,
)
from tests.conftest import ROOT
from tests.runs import record_of

SIZE = {"image_size": 72}  # the least of all nets is below it
QUICK = dataclasses.asdict(Protocol.load("quick"))


def test_the_table_has_a_row_a_model_best_first():
    rows = cells(table.markdown(frame()))
    assert list(rows) == ["resnet18", "lenet"]
    assert rows["resnet18"] == {
        "model": "resnet18",
        "params": "61.7 k",
        "MACs": "417 k",
        "loss": "0.500",
        "train acc.": "0.800",
        "test acc.": "0.900",
        "examples/sec": "1,234",
        "MiB": "99",
        "relative": "0.12",
        "seconds": "12",
    }


def test_seeds_are_shown_with_the_interval_of_their_mean():
    low, high = stats.ttest_1samp([0.7, 0.8], 0).confidence_interval()
    accuracy = cells(table.markdown(frame()))["lenet"]["test acc."]
    assert accuracy == f"0.750 ± {(high - low) / 2:.3f}"


def test_eight_nets_of_several_seeds_fit_into_a_terminal(make_results, tmp_path):
    names = ("resnet18", "densenet", "vgg11", "alexnet", "efficientnet_b0", "googlenet", "nin")
    drawn = {name: [0.8, 0.803 + 0.01 * n] for n, name in enumerate(names)}
    sizes = {"parameters": 44_920_074, "macs": 1_399_955_456, "peak_memory_mb": 2_796.0}
    speeds = {"examples_per_sec": 1_918.0, "relative_speed": 0.65, "reference_drift": 0.2}
    folder = make_results(tmp_path, drawn | {"lenet": [0.8] * 2}, True, SIZE, **sizes, **speeds)
    rebuild(folder)
    lines = (folder / "table.md").read_text().splitlines()
    assert max(map(len, lines)) <= WIDTH
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 10
    assert all(" ± " in row and "†" in row for row in rows[2:])


def test_provenance_stands_under_the_table():
    markdown = table.markdown(frame())
    for fact in ("**Protocol small**", "device: cpu", "torch: 2.0.1", "commit: abc", "in small"):
        assert fact in in_one_line(markdown)


def test_everything_is_written(make_spec, tmp_path):
    store = RecordStore(tmp_path)
    history = [{"epoch": 1, "loss": 0.9, "train_accuracy": 0.6}]
    for model, seed in (("lenet", 0), ("lenet", 1), ("resnet18", 0)):
        spec = make_spec(model, seed)
        way = [{"epoch": 0.5, "seconds": 2.0 + seed, "accuracy": 0.4}] if seed == 0 else []
        store.write(spec, record_of(spec, **MEASURED, history=history, evaluations=way))
    older = make_spec("googlenet", epochs=3)
    store.write(older, record_of(older, **MEASURED, finished_at="2000-01-01T00:00:00+00:00"))
    (folder,) = store.folders()
    shown = rebuild(folder)
    assert shown.endswith(f"written to {folder}: report.html, table.md, results.csv, plots")
    markdown = (folder / "table.md").read_text()
    assert list(cells(markdown)) == ["lenet", "resnet18"]
    rows = pd.read_csv(folder / "results.csv")
    assert list(rows.columns) == COLUMNS
    assert sorted(rows["model"]) == ["googlenet", "lenet", "lenet", "resnet18"]
    assert len(pd.read_csv(folder / "curves.csv")) == 3
    assert list(pd.read_csv(folder / "evaluations.csv")["model"]) == ["lenet", "resnet18"]
    for name in ("accuracy", "speed", "macs", "parameters", "cost", "curves"):
        assert (folder / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / "plots" / f"{name}.svg").read_text()


def test_a_plot_with_nothing_left_to_show_is_removed(make_spec, tmp_path):
    store, spec = RecordStore(tmp_path), make_spec()
    store.write(spec, record_of(spec, **MEASURED))
    (folder,) = store.folders()
    kept = ("mine.png", "hardest.png", "confidently_wrong_lenet.png")
    stale = ("curves.png", "curves.svg", "vary.png")
    (folder / "plots").mkdir()
    for name in (*kept, *stale, "accuracy.png"):
        (folder / "plots" / name).write_text("earlier")
    (folder / "evaluations.csv").write_text("earlier")
    rebuild(folder)
    names = {path.name for path in (folder / "plots").iterdir()}
    assert names >= {*kept, "accuracy.png"}
    assert not names & {*stale}
    assert not (folder / "evaluations.csv").exists()
    assert (folder / "plots" / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_a_failed_run_is_shown_with_its_reason():
    failed = dict.fromkeys(MEASURED)
    failed |= {"model": "nin", "status": FAILED, "error": "out | of <memory>"}
    markdown = table.markdown(frame(failed))
    assert cells(markdown)["nin"]["test acc."] == "failed"
    assert "nin (seed 0) failed: out \\| of &lt;memory>" in markdown


def test_a_run_that_had_company_is_marked():
    assert "‡" not in table.markdown(frame({"other_load": 0.09}))
    markdown = table.markdown(frame({"other_load": 0.3, "bound_by": None}))
    assert cells(markdown)["googlenet"]["examples/sec"] == "1,234 ‡"
    assert "more than 10 % of the CPU time" in in_one_line(markdown)


def test_failures_alone_are_still_a_table(make_spec, tmp_path):
    store, spec = RecordStore(tmp_path), make_spec()
    store.write(spec, record_of(spec, status=FAILED, error="no luck"))
    (folder,) = store.folders()
    assert "no luck" in rebuild(folder)
    assert "no luck" in (folder / "table.md").read_text()


def test_rows_of_an_older_protocol_are_left_out_and_counted():
    markdown = table.markdown(frame({"protocol_digest": "old", "finished_at": "2000"}))
    assert "googlenet" not in cells(markdown)
    assert "1 older runs" in in_one_line(markdown)


def test_a_run_on_one_device_does_not_displace_the_one_on_two():
    several = {"devices": 2, "device": "2 x cpu", "examples_per_sec": 1_851.75}
    markdown = table.markdown(frame({"model": "resnet18", **several}))
    (one, two), (first,) = rows_of(markdown, "resnet18"), rows_of(markdown, "lenet")
    assert (one["devices"], two["devices"]) == ("1 cpu", "2 cpu")
    assert (two["speed-up"], two["scaling eff."]) == ("1.50", "0.75")
    assert one["speed-up"] == first["speed-up"] == ""
    assert "devices" not in rows_of(table.markdown(frame()), "lenet")[0]
    plotted = plots.accuracy(table.comparable(frame({"model": "resnet18", **several})))
    labels = {label.get_text() for label in plotted.axes[0].get_yticklabels()}
    assert labels == {"lenet, 1 cpu", "resnet18, 1 cpu", "resnet18, 2 cpu"}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"device": "another"}, "device another"),
        ({"torch_version": "2.1"}, "torch 2.1"),
        ({"commit": "abc-dirty"}, "commit abc-dirty"),
        ({"timed_again": "2026, commit def"}, "commit abc, timed again at def"),
    ],
)
def test_rows_of_other_conditions_are_marked_and_not_compared(other, words):
    assert "¹" not in table.markdown(frame())
    markdown = table.markdown(frame(other))
    rows = cells(markdown)
    assert rows["googlenet ¹"]["relative"] == ""
    assert rows["googlenet ¹"]["examples/sec"] == "1,234"
    assert rows["resnet18"]["relative"] == "0.12"
    assert f"¹: measured with {words}." in in_one_line(markdown)
    assert "commit: abc;" in in_one_line(markdown)
    speed = plots.accuracy_against(table.comparable(frame(other))).axes[0]
    assert "googlenet ¹" in {text.get_text() for text in speed.texts}
    # A speed-up would compare them too.
    two = {"model": "resnet18", "devices": 2} | other
    assert "speed-up" not in cells(table.markdown(frame(two)))["resnet18"]


def test_speeds_under_several_conditions_are_not_averaged():
    row = cells(table.markdown(frame({"model": "lenet", "seed": 2, "commit": "def"})))["lenet ¹"]
    assert row["examples/sec"] == row["seconds"] == ""
    assert row["test acc."] == "0.750 ± 0.124"


def test_threads_divided_among_processes_are_one_machine():
    devices = ["AMD EPYC, 2 threads", "2 x AMD EPYC, 1 threads", "4 x NVIDIA H100, 80 GB"]
    rows = pd.concat([frame()[:1].assign(device=d) for d in devices]).assign(devices=[1, 2, 4])
    found = list(comparable.conditions(rows)["device"])
    assert found == ["AMD EPYC, 2 threads", "AMD EPYC, 2 threads", "NVIDIA H100, 80 GB"]


def test_a_run_at_chance_says_so():
    known = {"evaluated_examples": 1_000, "majority_share": 0.5}
    assert "at chance" not in table.markdown(frame({"test_accuracy": 0.54, **known}))
    assert "at chance" not in table.markdown(frame({"test_accuracy": 0.5}))
    markdown = table.markdown(frame({"test_accuracy": 0.53, **known}))
    assert cells(markdown)["googlenet"]["test acc."] == "0.530 (at chance)"
    assert "share of the most frequent class" in in_one_line(markdown)
    seeds = [{"seed": seed, "test_accuracy": seed / 10, **known} for seed in (4, 9)]
    accuracy = cells(table.markdown(frame(*seeds)))["googlenet"]["test acc."]
    assert accuracy == "0.650 ± 3.177 (1 of 2 at chance)"


def test_the_recipe_stands_under_the_table():
    rows = frame().assign(key=["a", "b", "c"])
    settings = {
        key: {**QUICK, "learning_rate": rate} for key, rate in zip("abc", (1, 1, 2), strict=True)
    }
    markdown = table.markdown(rows, settings)
    for words in ("AdamW, beta2 0.95", "learning rate: 1 / 2;", "one cycle", "LSUV", "none"):
        assert words in in_one_line(markdown)


def test_micro_batches_are_marked():
    markdown = in_one_line(table.markdown(frame({"micro_batches": 4})))
    assert "googlenet (seed 0) did not fit in memory" in markdown
    assert "4 micro-batches" in in_one_line(markdown)


def test_runs_that_shared_the_machine_or_were_resumed_are_marked():
    markdown = table.markdown(frame({"jobs": 2, "resumed": 1}))
    assert "Up to 2 runs shared the machine" in in_one_line(markdown)
    assert "googlenet (seed 0) was resumed once" in in_one_line(markdown)


def test_a_model_with_options_is_shown_as_it_is_named():
    name = "convnet[first_layer_filters=8]"
    markdown = table.markdown(frame({"model": name}, {"model": f"{name[:-2]}9]", "status": FAILED}))
    assert name in cells(markdown)


def test_text_from_outside_is_no_markup():
    escaped = notes.escape("<b>a</b> [x](y) | `c` *d*\n# e")
    assert escaped == "&lt;b>a&lt;/b> \\[x\\](y) \\| \\`c\\` \\*d\\* # e"


def test_a_varied_field_is_a_column_in_order():
    markdown = table.markdown(varied("batch_size", [256, 1024, 16]))
    lines = [line.split("|")[1:3] for line in markdown.splitlines() if line.startswith("|")]
    rows = [(model.strip(), value.strip()) for model, value in lines]
    values = ["16", "256", "1,024"]
    assert rows[0] == ("model", "batch size")
    assert rows[2:] == [(model, value) for model in ("resnet18", "lenet") for value in values]
    assert "older runs" not in markdown


def test_a_failure_names_its_value_of_the_varied_field():
    rows = varied("batch_size", [16, 64])
    is_last = rows.index == rows.index[-1]
    rows = rows.assign(status=rows["status"].mask(is_last, FAILED), error="no luck")
    assert "- resnet18, batch size 64 (seed 1) failed: no luck" in table.markdown(rows)


@pytest.mark.parametrize(
    ("column", "unit", "words"),
    [([1000.0, 1000.0, 20.0], " px", "1,000 px / 20 px"), ([None, "a"], "", "a")],
)
def test_values_are_listed_once(column, unit, words):
    assert notes.values(pd.Series(column), unit) == words


def test_a_report_needs_neither_torch_nor_lightning():
    check = (
        "import sys, benchmarks.report.rebuild; "
        "assert {'torch', 'torchvision', 'lightning'}.isdisjoint(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)
