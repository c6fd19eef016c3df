import pytest

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.records.record import FAILED, RunRecord
from benchmarks.studies import cost_growth
from benchmarks.studies.base import Context
from benchmarks.studies.cost_growth import BASE, CostGrowth

SMALL = {"model": "lenet", "rounds": 1, "image_size": "28"}
SMALL |= dict.fromkeys(("runs", "ranks"), "1") | {"batch_size": "50", "train_examples": "100"}


@pytest.fixture
def small(monkeypatch):
    """All quantities are small, so that there are two sweeps: of one run, and of two."""
    given = BASE | {"train_examples": 100, "image_size": 28, "batch_size": 50}
    monkeypatch.setattr(cost_growth, "BASE", given)


@pytest.mark.usefixtures("small", "fashion_mnist")
def test_each_quantity_is_varied_alone_and_sweeps_leave_nothing(tmp_path, data_dir):
    given = [f"--set={name}={value}" for name, value in (SMALL | {"runs": "1,2"}).items()]
    folders = ["--results", str(tmp_path), "--data-dir", str(data_dir)]
    assert cli.main(["study", "cost_growth", "--device", "cpu", *given, *folders]) == 0
    study, folder = CostGrowth("cost_growth"), tmp_path / "studies" / "cost_growth"
    rows = study.read(folder)
    assert rows["quantity"].tolist() == [
        *("train examples", "image size", "batch size", "runs", "runs", "ranks")
    ]
    assert (rows["fit_seconds"] > 0).all()
    assert (rows["fit_seconds"] < rows["seconds"]).all()
    assert (rows["peak_memory_mb"] >= 0).all()
    runs = rows[rows["quantity"] == "runs"].set_index("value")["seconds"]
    assert runs[2] > runs[1]
    assert (folder / "plots" / "cost_growth.png").exists()
    assert not [*tmp_path.rglob("runs")]


@pytest.mark.usefixtures("small", "fashion_mnist")
def test_a_failed_run_is_named(tmp_path, data_dir, monkeypatch):
    def fail(specs, *_):
        return [RunRecord.of(spec, status=FAILED, error="no luck") for spec in specs]

    monkeypatch.setattr(cost_growth, "sweep", fail)
    study = CostGrowth("cost_growth")
    with pytest.raises(UsageError, match="a run of lenet failed: no luck"):
        study.measure(study.settings("quick", SMALL), Context(tmp_path, "cpu", data_dir))
