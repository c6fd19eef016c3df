import json

import pandas as pd
import pytest

from benchmarks import cli

SETTINGS = {
    "models": "convnet[first_layer_filters=[2,64]]",
    "seeds": "0,1",
    "protocol.epochs": 1,
    "protocol.train_examples": "null",
}


@pytest.fixture
def study(small_data, tmp_path):
    """Trains on a few small images; returns exit status and the folder of results."""

    def run(*options, **others):
        given = [f"--set={name}={value}" for name, value in (SETTINGS | others).items()]
        folders = ["--results", str(tmp_path), "--data-dir", str(tmp_path / "data")]
        arguments = ["study", "first_layer_filters", "--device=cpu", "--no-timing", *given]
        status = cli.main([*arguments, *folders, *options])
        return status, tmp_path / "studies" / "first_layer_filters"

    return run


@pytest.mark.slow
def test_a_sweep_answers_the_question(study, tmp_path, capsys):
    status, folder = study()
    assert status == 0
    rows = pd.read_csv(folder / "results.csv")
    models = {"convnet[first_layer_filters=2]", "convnet"}  # 64 is the default
    assert set(rows["model"]) == models
    assert rows.groupby("model")["seed"].apply(set).tolist() == [{0, 1}] * 2
    assert len(list(folder.glob("cifar10/*/runs/*.json"))) == 4
    (verdict,) = json.loads((folder / "verdicts.json").read_text())
    assert "64 filters are better than 2" in verdict["sentence"]
    low, effect, high = (verdict[name] for name in ("low", "effect", "high"))
    means = rows.groupby("model")["test_accuracy"].mean()
    assert effect == pytest.approx(100 * (means["convnet"] - means.drop("convnet").item()))
    assert low <= effect <= high

    capsys.readouterr()
    assert study()[0] == 0
    assert capsys.readouterr().out.count("cached") == 4
    table, plot = folder / "table.md", folder / "plots" / "first_layer_filters.png"
    before = table.read_text()
    for path in (table, plot, folder / "results.csv"):
        path.unlink()
    assert cli.main(["report", "--results", str(tmp_path)]) == 0
    assert table.read_text() == before
    assert plot.exists()


def test_without_data_it_is_refused_in_one_line(study, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CIFAR10_IMAGES", str(tmp_path / "nowhere"))
    status, _ = study()
    assert status == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "nowhere" in line


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": "convnet[first_layer=2]"}, "first_layer_filters"),
        ({"protocol.epoch": 1}, "unknown field 'epoch'; did you mean epochs"),
        ({"protocol.epochs": "x"}, "epochs: Input should be a valid integer"),
        ({"seeds": "-1"}, "seed -1 is not a whole number"),
    ],
)
def test_a_wrong_sweep_is_refused_in_one_line(study, capsys, given, message):
    assert study(**given)[0] == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
