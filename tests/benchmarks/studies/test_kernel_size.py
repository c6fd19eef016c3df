import pandas as pd
import pytest

from benchmarks import cli
from benchmarks.studies.kernel_size import WORKS, KernelSize

SMALL = {"in_channels": 3, "out_channels": 8, "image_size": 20, "batch_size": 1}


def study(results, verb="study"):
    given = [f"--set={name}={value}" for name, value in {**SMALL, "block_seconds": 5e-4}.items()]
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
    # 8 filters of 3 x k x k weights, each used once for each of 20 x 20 outputs
    assert rows["parameters"].tolist() == [24, 216, 600, 1_176, 1_944, 2_904]
    assert (rows["macs"] == rows["parameters"] * 400).all()
    for name in WORKS:
        low, median, high = (rows[f"{name}{part}_ms"] for part in ("_q1", "", "_q3"))
        assert (low > 0).all()
        assert (low <= median).all()
        assert (median <= high).all()
        assert all(len(rounds) == 25 for rounds in rows[f"{name}_rounds"])


def test_it_is_measured_once_and_rebuilt_by_report(results, monkeypatch):
    folder = results / "studies" / "kernel_size"
    table, plot = folder / "table.md", folder / "plots" / "kernel_size.png"
    before = table.read_text()
    assert before.count("Exponent of time against k") == 2
    monkeypatch.delattr(KernelSize, "measure")
    for verb in ("study", "report"):
        table.unlink()
        plot.unlink()
        assert study(results, verb) == 0
        assert table.read_text() == before
        assert plot.exists()


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
    assert study(tmp_path) == 0
    assert len(pd.read_csv(folder / "results.csv")) == 6
