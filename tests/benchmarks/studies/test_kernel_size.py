import pandas as pd
import pytest
import torch

from benchmarks import cli
from benchmarks.studies import kernel_size

SMALL = {"in_channels": 3, "out_channels": 8, "image_size": 20, "batch_size": 1}


@pytest.fixture(scope="module")
def measured():
    """Real measurements of small images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_size, "SETTINGS", SMALL)
        patch.setattr(kernel_size, "BLOCK_SECONDS", 0.0005)
        return kernel_size.measure(torch.device("cpu"))


@pytest.fixture
def measurements(monkeypatch, measured):
    """Measures at no cost; a list of the devices asked for."""
    devices = []
    monkeypatch.setattr(
        kernel_size, "measure", lambda device: (devices.append(device), measured.copy())[1]
    )
    return devices


def run(tmp_path, *verb):
    options = ["--device", "cpu"] if verb[0] == "study" else []
    return cli.main([*verb, "--results", str(tmp_path), *options])


def test_cost_is_right_and_time_is_measured(measured):
    # 8 filters of 3 x k x k weights, each used once for each of 20 x 20 outputs
    assert measured["parameters"].tolist() == [24, 216, 600, 1_176, 1_944, 2_904]
    assert (measured["macs"] == measured["parameters"] * 400).all()
    for name in ("forward", "forward_backward"):
        assert (measured[f"{name}_ms"] > 0).all()
        assert (measured[f"{name}_q1_ms"] <= measured[f"{name}_ms"]).all()
        assert (measured[f"{name}_ms"] <= measured[f"{name}_q3_ms"]).all()


def test_the_study_measures_once_unless_forced(tmp_path, capsys, measurements):
    folder = tmp_path / "studies" / "kernel_size"
    for options, count in (((), 1), ((), 1), (("--force",), 2)):
        assert run(tmp_path, "study", "kernel_size", *options) == 0
        assert len(measurements) == count
    assert (folder / "table.md").read_text() in capsys.readouterr().out
    assert (folder / "plots" / "kernel_size.png").exists()


def test_report_rebuilds_table_and_plot(tmp_path, measurements):
    folder = tmp_path / "studies" / "kernel_size"
    table = kernel_size.run(folder, "cpu")
    (folder / "table.md").unlink()
    (folder / "plots" / "kernel_size.png").unlink()
    assert run(tmp_path, "report") == 0
    assert (folder / "table.md").read_text() == table + "\n"
    assert (folder / "plots" / "kernel_size.png").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\x00\x9c", b"kernel_size,macs\n1"])
def test_a_damaged_file_is_kept_aside_and_measured_again(tmp_path, capsys, measurements, content):
    folder = tmp_path / "studies" / "kernel_size"
    folder.mkdir(parents=True)
    (folder / "results.csv").write_bytes(content)
    assert run(tmp_path, "report") == 2
    damaged, refused = capsys.readouterr().err.strip().splitlines()
    assert "results.csv is damaged" in damaged
    assert "`make study STUDY=kernel_size` makes them" in refused
    assert (folder / "results.csv.damaged").read_bytes() == content
    assert run(tmp_path, "study", "kernel_size") == 0
    assert len(pd.read_csv(folder / "results.csv")) == 6
