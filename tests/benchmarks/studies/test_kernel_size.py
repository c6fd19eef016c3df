import pandas as pd
import pytest

from benchmarks import cli
from benchmarks.studies import kernel_size

CPU = ["--device", "cpu"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    small = {"in_channels": 3, "out_channels": 8, "image_size": 100, "batch_size": 1}
    monkeypatch.setattr(kernel_size, "SETTINGS", small)
    monkeypatch.setattr(kernel_size, "BLOCK_SECONDS", 0.001)


def test_theory_is_right_and_time_is_measured(tmp_path, capsys):
    assert cli.main(["study", "kernel_size", "--results", str(tmp_path), *CPU]) == 0
    folder = tmp_path / "studies" / "kernel_size"
    rows = pd.read_csv(folder / "results.csv")
    # 8 filters of 3 x k x k weights, each used once for each of 100 x 100 outputs
    assert rows["parameters"].tolist() == [24, 216, 600, 1_176, 1_944, 2_904]
    assert (rows["macs"] == rows["parameters"] * 10_000).all()
    for name in ("forward", "forward_backward"):
        assert (rows[f"{name}_ms"] > 0).all()
        assert (rows[f"{name}_q1_ms"] <= rows[f"{name}_ms"]).all()
        assert (rows[f"{name}_ms"] <= rows[f"{name}_q3_ms"]).all()
    assert (folder / "table.md").read_text() in capsys.readouterr().out
    assert (folder / "plots" / "kernel_size.png").exists()


def test_what_is_measured_is_not_measured_again(tmp_path):
    kernel_size.run(tmp_path, "cpu")
    first = (tmp_path / "results.csv").read_text()
    kernel_size.run(tmp_path, "cpu")
    assert (tmp_path / "results.csv").read_text() == first
    kernel_size.run(tmp_path, "cpu", force=True)
    assert (tmp_path / "results.csv").read_text() != first


def test_report_rebuilds_table_and_plot(tmp_path):
    folder = tmp_path / "studies" / "kernel_size"
    table = kernel_size.run(folder, "cpu")
    (folder / "table.md").unlink()
    assert cli.main(["report", "--results", str(tmp_path)]) == 0
    assert (folder / "table.md").read_text() == table + "\n"


@pytest.mark.parametrize("content", [b"", b"\xff\x00\x9c", b"kernel_size,macs\n1"])
def test_a_damaged_file_is_set_aside_and_measured_anew(tmp_path, capsys, content):
    folder = tmp_path / "studies" / "kernel_size"
    folder.mkdir(parents=True)
    (folder / "results.csv").write_bytes(content)
    assert cli.main(["report", "--results", str(tmp_path)]) == 2
    damaged, refused = capsys.readouterr().err.strip().splitlines()
    assert "results.csv is damaged" in damaged
    assert "`make study STUDY=kernel_size` makes them" in refused
    assert (folder / "results.csv.damaged").read_bytes() == content
    assert cli.main(["study", "kernel_size", "--results", str(tmp_path), *CPU]) == 0
    assert len(pd.read_csv(folder / "results.csv")) == 6
