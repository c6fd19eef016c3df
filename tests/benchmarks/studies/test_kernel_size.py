import pandas as pd
import pytest

from benchmarks import cli
from benchmarks.measurement.calls import WORKS
from benchmarks.studies.kernel_size import KernelSize

SMALL = {
    "cases": "4 x 12,4 x 8 channels_last bf16",
    "kernel_sizes": "1,3,5,7",
    "work": 4_608,
    "rounds": 5,
    "block_seconds": 2e-4,
}


def study(results, verb="study", **others):
    given = [f"--set={name}={value}" for name, value in {**SMALL, **others}.items()]
    options = ["kernel_size", "--device", "cpu", *given] if verb == "study" else []
    return cli.main([verb, *options, "--results", str(results)])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Real measurements of small images."""
    folder = tmp_path_factory.mktemp("results")
    assert study(folder) == 0
    return folder


def test_cost_is_right_and_time_is_measured(results):
    rows = KernelSize("kernel_size").read(results / "studies" / "kernel_size")
    first = rows[rows["case"] == "4 x 12"].set_index("kernels")
    assert first["parameters"].to_dict() == {
        **{"1": 16, "3": 144, "5": 400, "7": 784},
        **{"3 + 3": 288, "3 + 3 + 3": 432},
    }
    assert (first["macs"] == first["parameters"] * 144).all()
    assert first["kernel_size"].tolist() == [1, 3, 5, 7, 5, 7]
    assert rows.groupby("case")["batch_size"].first().tolist() == [2, 4]
    assert len(rows) == 6 + 4  # stacks in the first case only
    assert (rows["memory_mb"] >= 0).all()
    for name in WORKS:
        low, median, high = (rows[f"{name}{part}_ms"] for part in ("_q1", "", "_q3"))
        assert (low > 0).all()
        assert (low <= median).all()
        assert (median <= high).all()
        assert all(len(rounds) == 5 for rounds in rows[f"{name}_rounds"])
    rate = 2e-6 * rows["macs"] * rows["batch_size"] / rows["forward_ms"]
    assert rows["gflops"].tolist() == pytest.approx(rate.tolist())


def test_the_printed_table_is_off_by_a_row(results):
    own = KernelSize("kernel_size")
    verdicts = own.verdicts(own.read(results / "studies" / "kernel_size"))
    (printed,) = (each for each in verdicts if "in print" in each.claim)
    assert (printed.effect, printed.outcome) == (0, "not supported")
    assert "3: 24 / 216, 5: 216 / 600" in printed.note
    assert sum("Exponent of time" in each.figure for each in verdicts) == 3
    assert sum("take less time" in each.claim for each in verdicts) == 4


def test_it_is_measured_once_and_rebuilt_by_report(results, monkeypatch):
    folder = results / "studies" / "kernel_size"
    table, plot = folder / "table.md", folder / "plots" / "kernel_size.png"
    before = table.read_text()
    monkeypatch.delattr(KernelSize, "measure")
    for verb in ("study", "report"):
        table.unlink()
        plot.unlink()
        assert study(results, verb) == 0
        assert table.read_text() == before
        assert plot.exists()


def test_a_case_that_cannot_be_read_is_refused_in_one_line(tmp_path, capsys):
    assert study(tmp_path, cases="64x28") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "a case is such as `64 x 28 channels_last bf16`, not '64x28'" in line


@pytest.mark.parametrize("content", [b"", b"\xff\x00\x9c", b"kernel_size,macs\n1"])
def test_a_damaged_file_is_kept_aside_and_measured_again(tmp_path, capsys, content):
    folder = tmp_path / "studies" / "kernel_size"
    folder.mkdir(parents=True)
    (folder / "results.csv").write_bytes(content)
    assert study(tmp_path, "report") == 2
    damaged, refused = capsys.readouterr().err.strip().splitlines()
    assert "results.csv is damaged" in damaged
    assert "`make study STUDY=kernel_size` makes them" in refused
    assert (folder / "results.csv.damaged").read_bytes() == content
    assert study(tmp_path, cases="4 x 8", stacks="") == 0
    assert len(pd.read_csv(folder / "results.csv")) == 4


def test_rows_of_an_earlier_plan_are_replaced(tmp_path):
    folder = tmp_path / "studies" / "kernel_size"
    folder.mkdir(parents=True)
    (folder / "results.csv").write_text("kernel_size,macs,key\n1,5,0\n")
    assert study(tmp_path, cases="4 x 8", kernel_sizes="1,3", stacks="") == 0
    assert pd.read_csv(folder / "results.csv")["case"].tolist() == ["4 x 8"] * 2
