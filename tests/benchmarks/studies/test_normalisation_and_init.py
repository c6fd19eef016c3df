import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks.studies.normalisation_and_init import (
    NET,
    NORMALISED,
    NormalisationAndInit,
    _last_activation,
)


@pytest.fixture
def study(monkeypatch):
    """The study with trainings of given accuracies, and rows of two courses."""
    study = NormalisationAndInit("normalisation_and_init")
    trainings = [
        {"model": model, "sweep": init, "varied_value": rate, "validation_accuracy": accuracy}
        for model, plus in ((NET, 0.0), (NORMALISED, 0.2))
        for init, more in (("default", 0.0), ("xavier", -0.05), ("lsuv", 0.1))
        for rate, accuracy in ((0.1, 0.4 + plus + more), (1.0, 0.5 + plus + 1.5 * more))
    ]
    runs = pd.DataFrame(trainings).assign(test_accuracy=None, majority_share=0.1)
    runs.loc[0, "validation_accuracy"] = None  # it diverged
    monkeypatch.setattr(study, "trainings", lambda rows: runs)
    rows = [
        {"model": model, "sweep": "course lsuv", "epochs": epochs, "when": when, "dead": 0.5}
        for model in ("nin_cifar", "lenet")
        for epochs in (1, 2)
        for when in ("before", "after")
    ]
    return study, pd.DataFrame(rows).assign(values=[np.linspace(0, 2, 100)] * len(rows))


def test_recipes_are_compared_in_pairs_and_a_failed_run_counts_as_chance(study):
    study, rows = study
    found = {verdict.claim: verdict for verdict in study.verdicts(rows)}
    normalised = found["Batch normalisation makes training succeed"]
    assert normalised.effect == pytest.approx((5 * 20 + 50) / 6)
    assert "mean of 6 recipes" in normalised.figure
    assert "ReLU trains better than sigmoid" not in found
    assert study.table(rows)["learning rate 0.1"].iloc[0] == "0.100"


def test_recipes_and_courses_are_drawn(study):
    study, rows = study
    figure = study.plot(rows)
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles[1:] == ["lenet, lsuv", "nin_cifar, lsuv"]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == [
        f"{epochs}\n50%" for epochs in (0, 1, 2)
    ]
    plt.close(figure)


def test_every_initialisation_has_a_sweep_over_rates_and_one_over_epochs():
    study = NormalisationAndInit("normalisation_and_init")
    sweeps = study.sweeps(study.quick)
    assert [*sweeps] == [f"{kind}{init}" for kind in ("", "course ") for init in study.quick.inits]
    for name, own in sweeps.items():
        assert own.overrides["init"] == name.split()[-1]


def test_the_last_activation_is_that_which_is_computed_last():
    net = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(4, 2), nn.Sigmoid(), nn.Linear(2, 2))
    name, output = _last_activation(net, torch.rand(3, 1, 2, 2))
    assert name == "3"
    assert output.shape == (3, 2)
    assert not any(module._forward_hooks for module in net.modules())
