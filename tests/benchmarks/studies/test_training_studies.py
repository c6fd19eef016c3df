"""Studies of several sweeps, and studies that measure trained nets."""

from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.errors import UsageError
from benchmarks.studies.base import Column, Context, TrainedNetsStudy, TrainingSettings

OVERRIDES = {"image_size": "32", "epochs": "1", "batch_size": "16", "train_examples": "null"}


@dataclass(frozen=True)
class Settings(TrainingSettings):
    inits: tuple[str, ...] = ("default", "xavier")


class Outputs(TrainedNetsStudy):
    """The logits of one image before and after training, from two initialisations."""

    quick = Settings(("lenet_relu",), "cifar10", "quick", OVERRIDES, seeds=(0,), keep_weights=True)
    columns = (Column("label", "net"), Column("before", "logits"), Column("after", "logits"))

    def sweeps(self, settings):
        return {
            init: replace(settings, overrides=settings.overrides | {"init": init})
            for init in settings.inits
        }

    @torch.no_grad()
    def examine(self, run, settings):
        nets = {"before": run.untrained().eval(), "after": run.net()}
        batches = [*run.data.test_dataloader()]
        logits = {name: [net(batches[0][0])[0].numpy()] for name, net in nets.items()}
        is_right = [nets["after"](images).argmax(1) == labels for images, labels in batches]
        return pd.DataFrame(logits | {"accuracy": float(torch.cat(is_right).float().mean())})

    def plot(self, rows):
        return plt.figure()

    def verdicts(self, rows):
        trainings, claim = self.trainings(rows), "Xavier is better"
        sides = "lenet_relu, xavier", "lenet_relu, default"
        return [
            self.better(trainings, claim, *sides, figure=figure)
            for figure in ("test_accuracy", "loss")
        ]


def test_nets_of_several_sweeps_are_measured_before_and_after_training(small_data, tmp_path):
    study = Outputs("tests.outputs")
    context = Context(tmp_path / "studies" / "outputs", "cpu", options={"no_timing": True})
    assert study.run(study.quick, context)
    rows = study.read(context.folder)
    assert rows["label"].tolist() == ["lenet_relu, default", "lenet_relu, xavier"]
    assert not np.allclose(*rows["before"])
    assert not any(np.allclose(row.before, row.after) for row in rows.itertuples())

    trainings = study.trainings(rows)
    measured = rows.set_index("sweep")["accuracy"]
    for name, record in zip(trainings["sweep"], study.records(trainings), strict=True):
        assert measured[name] == pytest.approx(record.scores.test_accuracy)
    by_accuracy, by_loss = study.verdicts(rows)
    accuracies, losses = (trainings.set_index("sweep")[name] for name in ("test_accuracy", "loss"))
    assert by_accuracy.effect == pytest.approx(100 * (accuracies["xavier"] - accuracies["default"]))
    assert by_loss.effect == pytest.approx(losses["xavier"] - losses["default"])
    assert (by_accuracy.at_least, by_loss.at_most) == (0, 0)
    assert "lenet_relu, xavier" in study.rebuild(context.folder)

    study.examine = None  # all is known
    assert study.run(study.quick, context)
    (context.folder / "results.csv").unlink()
    for weights in context.folder.rglob("*.safetensors"):
        weights.unlink()
    del study.examine
    with pytest.raises(UsageError, match="train lenet_relu again with --force"):
        study.run(study.quick, context)
