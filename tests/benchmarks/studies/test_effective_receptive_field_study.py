import pandas as pd
import pytest

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.studies.base import Context
from benchmarks.studies.effective_receptive_field import EffectiveReceptiveField

SETTINGS = {"models": "resnet18,lenet", "dataset": "cifar10", "image_size": 64, "images": 4}


@pytest.fixture(scope="module")
def study(image_folder, tmp_path_factory):
    """Runs the study of two nets on a few small images; returns its folder of results."""
    results = tmp_path_factory.mktemp("results")
    given = [f"--set={name}={value}" for name, value in SETTINGS.items()]

    def run(*options):
        folders = ["--results", str(results), "--data-dir", str(results / "data")]
        arguments = ["study", "effective_receptive_field", "--device", "cpu", *given, *folders]
        assert cli.main([*arguments, *options]) == 0
        return results / "studies" / "effective_receptive_field"

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIFAR10_IMAGES", str(image_folder))
        yield run


def test_real_images_give_radii_and_a_plot(study, capsys):
    folder = study()
    rows = pd.read_csv(folder / "results.csv").set_index("model")
    assert rows["theoretical_size"].to_dict() == {"resnet18": 435, "lenet": 16}
    assert (rows["radius_half"] < rows["radius_95"]).all()
    assert rows.loc["lenet", "radius_95"] < 8 * 2**0.5
    assert rows["area_of_half"].between(0, 1).all()
    assert (folder / "table.md").read_text() in capsys.readouterr().out
    assert (folder / "plots" / "effective_receptive_field.png").exists()


def test_it_is_measured_once_and_the_same_twice(study, monkeypatch):
    first = pd.read_csv(study() / "results.csv")
    again = pd.read_csv(study("--force") / "results.csv")
    radii = ["radius_half", "radius_95", "area_of_half"]
    pd.testing.assert_frame_equal(again[radii], first[radii])
    monkeypatch.delattr(EffectiveReceptiveField, "measure")
    assert pd.read_csv(study() / "results.csv").equals(again)


def test_report_rebuilds_table_and_plot(study):
    folder = study()
    table = (folder / "table.md").read_text()
    (folder / "table.md").unlink()
    (folder / "plots" / "effective_receptive_field.png").unlink()
    assert cli.main(["report", "--results", str(folder.parents[1])]) == 0
    assert (folder / "table.md").read_text() == table
    assert (folder / "plots" / "effective_receptive_field.png").exists()


def test_images_of_ones_own(image_folder, tmp_path):
    study, context = EffectiveReceptiveField("own"), Context(tmp_path, "cpu", tmp_path / "data")

    def measure(**given):
        given = SETTINGS | {"models": "lenet", "dataset": str(image_folder)} | given
        ((_, settings),) = study.parts(study.settings("quick", given)).items()
        return study.measure(settings, context)

    (row,) = measure().itertuples()
    assert row.data_source.startswith("cifar10-images (PNG, train/ and test/")
    assert row.radius_half < row.radius_95
    with pytest.raises(UsageError, match="cifar10-images has 80 to train on"):
        measure(images=81)
    with pytest.raises(UsageError, match="unknown dataset 'cifar01'; did you mean cifar10"):
        measure(dataset="cifar01")
