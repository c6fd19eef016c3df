import pandas as pd
import pytest

from benchmarks import cli
from benchmarks.studies import effective_receptive_field


@pytest.fixture
def study(monkeypatch, small_data, tmp_path):
    """Measures two nets on a few small images; returns the folder of results."""
    settings = {"dataset": "cifar10", "image_size": 64, "images": 4, "init": "lsuv", "seed": 0}
    monkeypatch.setattr(effective_receptive_field, "SETTINGS", settings)
    monkeypatch.setattr(effective_receptive_field, "MODELS", ("resnet18", "lenet"))

    def measure(*options):
        folders = ["--results", str(tmp_path), "--data_dir", str(tmp_path / "data")]
        arguments = ["study", "effective_receptive_field", "--device", "cpu", *folders, *options]
        assert cli.main(arguments) == 0
        return tmp_path / "studies" / "effective_receptive_field"

    return measure


def test_real_images_give_radii_and_a_picture(study, capsys):
    folder = study()
    rows = pd.read_csv(folder / "results.csv").set_index("model")
    assert rows["theoretical_size"].to_dict() == {"resnet18": 435, "lenet": 16}
    assert (rows["radius_half"] < rows["radius_95"]).all()
    assert rows.loc["lenet", "radius_95"] < 8 * 2**0.5
    assert (folder / "table.md").read_text() in capsys.readouterr().out
    assert (folder / "plots" / "effective_receptive_field.png").exists()


def test_it_is_measured_once_and_the_same_twice(study):
    first = pd.read_csv(study() / "results.csv")
    assert pd.read_csv(study() / "results.csv").equals(first)
    again = pd.read_csv(study("--force") / "results.csv")
    radii = ["radius_half", "radius_95"]
    pd.testing.assert_frame_equal(again[radii], first[radii])


def test_report_rebuilds_table_and_plot(study, tmp_path):
    folder = study()
    table = (folder / "table.md").read_text()
    (folder / "table.md").unlink()
    (folder / "plots" / "effective_receptive_field.png").unlink()
    assert cli.main(["report", "--results", str(tmp_path)]) == 0
    assert (folder / "table.md").read_text() == table
    assert (folder / "plots" / "effective_receptive_field.png").exists()
