import dataclasses
import sys

import pandas as pd
import pytest

import lit_models
from benchmarks import cli
from lit_models.analysis import model_summary


@pytest.fixture
def shape():
    return {"image_size": 28, "in_channels": 1, "num_classes": 10}


def test_a_card_describes_a_model(shape):
    card = model_summary.card("lenet", **shape)
    assert "LeCun" in card
    assert "1998" in card
    first = next(line for line in card.splitlines() if line.startswith("features.0 "))
    assert first.split() == [
        "features.0",
        "Conv2d",
        "6",
        "x",
        "28",
        "x",
        "28",
        "5",
        "1",
        "156",
        "117,600",
        "4,704",
        "5",
        "1",
    ]
    pooling = next(line for line in card.splitlines() if line.startswith("features.5 "))
    assert pooling.split()[-2:] == ["16", "4"]
    (total,) = (line.split() for line in card.splitlines() if line.startswith("total"))
    assert total[1:3] == ["61,706", "416,520"]
    assert "receptive field: 16, 4 px apart" in card
    assert "smallest image: 12 px" in card
    assert "61,706 parameters, as published; 416,520 MACs, as published" in card


def test_auxiliary_classifiers_count_outside_the_layers():
    card = model_summary.card("googlenet_bn", image_size=32, in_channels=1, num_classes=10)
    assert "(outside these layers)" in card


NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(28, 28))
        self.rows = nn.LSTM(28, 8, batch_first=True)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.rows(x[:, 0] @ self.weight)[0][:, -1])
"""


@pytest.fixture
def card_of_a_recurrent_net(tmp_path, monkeypatch, shape):
    (tmp_path / "recurrent.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    yield model_summary.card("recurrent:Net", **shape)
    sys.modules.pop("recurrent", None)


def test_a_net_without_a_receptive_field_has_a_card(card_of_a_recurrent_net):
    assert "receptive field: not known: " in card_of_a_recurrent_net
    assert "published figures: none to check against" in card_of_a_recurrent_net


def test_costs_outside_the_layers_have_a_row(card_of_a_recurrent_net):
    rows = [line.split() for line in card_of_a_recurrent_net.splitlines()]
    (outside,) = (row[-2:] for row in rows if row[:1] == ["(outside"])
    assert outside == ["784", "21,952"]


def test_recurrent_layers_have_a_row(card_of_a_recurrent_net):
    lines = card_of_a_recurrent_net.splitlines()
    assert any(line.startswith("rows ") and " LSTM " in line for line in lines)


def test_figures_that_differ_from_the_published_are_named():
    entry = lit_models.entry("lenet")
    wrong = dataclasses.replace(entry.published, parameters=61_707)
    verdict = model_summary.fidelity(dataclasses.replace(entry, published=wrong))
    assert "61,706 parameters, NOT the 61,707 published; 416,520 MACs, as published" in verdict


def test_all_models_are_compared(tmp_path, capsys, monkeypatch):
    few = ["lenet", "resnet18", "efficientnet_b0"]
    monkeypatch.setattr(lit_models, "names", lambda: few)
    assert cli.main(["describe", "--all", "--image-size=28", "--results", str(tmp_path)]) == 0
    rows = pd.read_csv(tmp_path / "models" / "models.csv")
    assert list(rows["model"]) == ["lenet"]  # the others need 32 px
    assert rows["parameters"][0] == 61_706
    table = (tmp_path / "models" / "table.md").read_text()
    assert table.strip() in capsys.readouterr().out
    assert "1 x 28 x 28" in table


def test_a_card_has_the_input_of_the_published_figures_by_default(capsys):
    assert cli.main(["describe", "vgg11"]) == 0
    text = capsys.readouterr().out
    assert "image: 3 x 224 x 224, 1000 classes" in text
    (total,) = (line.split() for line in text.splitlines() if line.startswith("total"))
    assert total[1:3] == ["132,863,336", "7,609,090,048"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "the name of a model, or --all"),
        (["lenet", "--all"], "the name of a model, or --all"),
        (["lenet", "--image-size=0"], "--image-size must be at least 1"),
        (["--all", "--image-size=3"], "no model takes images of 3 px"),
        (["lenet", "--image-size=11"], "lenet needs images of at least 12 px"),
        (["torchvision/alexnet", "--image-size=32"], "cannot take images of 1 x 32 x 32"),
    ],
)
def test_invalid_arguments_are_refused(tmp_path, arguments, reason, capsys):
    assert cli.main(["describe", *arguments, "--results", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert reason in message
    assert message.count("\n") == 1
