import json

import pandas as pd
import pytest

from benchmarks import cli
from tests.benchmarks.test_run_own_images import KeepsWeights

NAME = "from_scratch_or_pretrained"
SETTINGS = {
    "models": "lenet_relu",
    "seeds": "0,1",
    "vary": "train_examples=20,40",
    "source_examples": 10,
    "source_epochs": 1,
    "protocol.epochs": 1,
    "protocol.image_size": 28,
}


class Untimed(KeepsWeights):
    timing = False


@pytest.fixture
def study(small_data, small_fashion_mnist, tmp_path, monkeypatch):
    """Trains on a few small images after a few garments; returns exit status and folder."""

    monkeypatch.setattr("benchmarks.execution.local.LocalExecutor", Untimed)

    def run(**others):
        given = [f"--set={name}={value}" for name, value in (SETTINGS | others).items()]
        folders = ["--results", str(tmp_path / "results"), "--data-dir", str(small_fashion_mnist)]
        status = cli.main(["study", NAME, "--device=cpu", *given, *folders])
        return status, tmp_path / "results" / "studies" / NAME

    return run


@pytest.mark.slow
def test_the_weights_of_one_training_start_half_of_the_others(study, capsys):
    status, folder = study()
    assert status == 0
    (weights,) = folder.rglob("*.safetensors")
    assert weights.parent.parent.parent.name == "fashion_mnist"
    rows = pd.read_csv(folder / "results.csv")
    assert rows.groupby(["sweep", "varied_value"])["seed"].apply(set).tolist() == [{0, 1}] * 4
    starts = rows.set_index("sweep")["initial_weights"]
    assert starts.loc["from scratch"].isna().all()
    assert starts.loc["pretrained"].str.contains(r"adapted \S+weight").all()
    for verdict, count in zip(
        json.loads((folder / "verdicts.json").read_text()), (20, 40), strict=True
    ):
        assert f"better on {count} images" in verdict["sentence"]
        means = rows[rows["varied_value"] == count].groupby("sweep")["test_accuracy"].mean()
        gain = 100 * (means["pretrained"] - means["from scratch"])
        assert verdict["effect"] == pytest.approx(gain)
    assert (folder / "plots" / f"{NAME}.png").exists()
    capsys.readouterr()
    assert study()[0] == 0
    assert capsys.readouterr().out.count("cached") == 9


def test_the_weights_of_a_file_start_them_instead(study, tmp_path, capsys):
    path = tmp_path / "nowhere.pt"
    status, folder = study(weights=path)
    assert status == 2
    assert f"{path} cannot be read" in capsys.readouterr().err
    assert not list(folder.rglob("*.json"))


def test_several_models_are_refused_in_one_line(study, capsys):
    assert study(models="lenet_relu,lenet")[0] == 2
    assert "takes one model" in capsys.readouterr().err
