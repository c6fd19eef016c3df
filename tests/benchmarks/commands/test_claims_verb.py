import pytest

from benchmarks import cli
from benchmarks.commands import sweeps


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["lenet", "lenet"], "cannot be compared with itself"),
        (["lenet", "resnet18", "--metric", "acuracy"], "did you mean accuracy"),
        (["lenet", "resnet18", "--margin", "inf"], "and finite"),
        (["lenet", "resnet18", "--by", "clas"], "choose class"),
    ],
)
def test_a_mistake_is_answered_before_anything_is_trained(
    arguments, why, tmp_path, monkeypatch, capsys
):
    def train(*_):
        raise AssertionError("training began")

    monkeypatch.setattr(sweeps, "run", train)
    assert cli.main(["claim", *arguments, "--run", "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1
