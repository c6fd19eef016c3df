from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

import lit_models
from benchmarks.analysis.intervals import Interval
from benchmarks.studies.base import Verdict
from benchmarks.studies.receptive_field import ReceptiveField, Settings


@pytest.fixture(scope="module")
def rows():
    """The fields of two untrained nets, which stand for nets before and after training."""
    study, parts = ReceptiveField("receptive_field"), []
    settings = Settings((), "cifar10", "quick", images=4)
    for dilation in (1, 2):
        model = f"convnet[dilation={dilation},head=average,narrowing=32]"
        torch.manual_seed(0)
        nets = [lit_models.build(model, in_channels=3, image_size=32) for _ in range(2)]
        batches = [(torch.rand(2, 3, 32, 32), None)] * 3
        run = SimpleNamespace(
            net=lambda nets=nets: nets[0],
            untrained=lambda nets=nets: nets[1],
            data=SimpleNamespace(train_batches=batches),
            spec=SimpleNamespace(protocol=SimpleNamespace(batch_size=2)),
        )
        parts += [
            study.examine(run, settings).assign(model=model, run=f"{model}{seed}", seed=seed)
            for seed in (0, 1)
        ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def study(monkeypatch):
    """The study, with trainings of equal accuracies."""
    study = ReceptiveField("receptive_field")
    monkeypatch.setattr(study, "trainings", lambda rows: rows)
    monkeypatch.setattr(study, "accuracy", lambda rows, model: Interval(0.5, 0.4, 0.6))
    monkeypatch.setattr(study, "better", lambda *args: Verdict(args[1], "gain", 0, -1, 1))
    return study


def test_fields_grow_by_layer_and_dilation(study, rows):
    by_net = rows[(rows["seed"] == 0) & (rows["when"] == "after")].groupby("model")
    sizes = [of["theoretical_size"].tolist() for _, of in by_net]
    assert sizes == [[3, 9, 21, 29], [3, 9, 29, 45]]
    assert (rows["radius_half"] <= rows["radius_95"]).all()
    assert len(study.table(rows)) == 2 * 4 * 2


def test_fields_of_alike_kernels_and_strides_differ(study, rows):
    found = {verdict.claim: verdict for verdict in study.verdicts(rows)}
    exact = found["The theoretical field depends on kernel sizes and strides alone"]
    assert (exact.effect, exact.outcome) == (16, "not supported")
    grown = found["Training enlarges the effective receptive field"]
    radii = rows[rows["depth"] == 4].groupby("when")["radius_95"].mean()
    assert grown.effect == pytest.approx(radii["after"] - radii["before"])
    assert any("45 px against 29 px" in claim for claim in found)


def test_gradients_accuracy_and_radii_are_drawn(study, rows):
    figure = study.plot(rows)
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles[:4] == [
        f"{when} training, {side} px" for when in ("before", "after") for side in (29, 45)
    ]
    assert len(figure.axes[5].lines) == 4
    plt.close(figure)
