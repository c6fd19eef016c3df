"""Which nets train at all, by initialisation, learning rate and batch normalisation?

Nets with sigmoid, with ReLU, and with batch normalisation learn by plain SGD. Histograms show what
becomes of the last activations of two nets on the way: Network in Network, which ends in ReLU, and
LeNet with sigmoid. A unit is dead if its output is the same for all images.
"""

from dataclasses import dataclass, field, replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks.analysis.intervals import over_seeds
from benchmarks.report.style import look
from benchmarks.studies.base import Column, TrainedNetsStudy, TrainedRun, TrainingSettings, Verdict

COURSE = "course"  # begins the names of the sweeps whose runs differ in their epochs
KEPT = 2000  # activations of a layer
VARIES = 1e-3  # deviation over the images of a living unit, at least; of the largest activation
NET = "convnet[first_layer_filters=16,head=average,narrowing=16]"
NORMALISED = "convnet[first_layer_filters=16,head=average,narrowing=16,norm=true]"
SGD = {
    "optimizer": "sgd",
    "schedule": "constant",
    "weight_decay": "0",
    "clip_norm": "null",
    "validation_examples": "1000",
    "train_examples": "1000",
}


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """A sweep for each initialisation, and one over epochs in which the courses are seen."""

    inits: tuple[str, ...] = ("default", "xavier", "lsuv")
    course_models: tuple[str, ...] = ("nin_cifar", "lenet")
    course: dict[str, str] = field(default_factory=dict)  # overrides of the protocol
    course_epochs: str = "epochs=1,2,4"


class NormalisationAndInit(TrainedNetsStudy):
    quick = Settings(
        models=("lenet", "lenet_relu", NET, NORMALISED),
        dataset="fashion_mnist",
        protocol="quick",
        overrides=SGD | {"image_size": "20"},
        vary="learning_rate=0.01,0.1,1",
        seeds=(0,),
        keep_weights=True,
        timed=False,
        course=SGD | {"image_size": "12", "learning_rate": "0.1"},
    )
    full = replace(
        quick,
        overrides=SGD | {"image_size": "28", "train_examples": "10000", "epochs": "10"},
        vary="learning_rate=0.001,0.01,0.1,1,10",
        seeds=(0, 1, 2),
        course=SGD | {"image_size": "28", "train_examples": "10000", "learning_rate": "0.1"},
        course_epochs="epochs=1,2,4,8",
    )
    columns = (
        Column("label", "net and recipe", format=None),
        Column("when", "before or after the training", format=None),
        Column("layer", "of the activations", format=None),
        Column("dead", "part of its units whose output is the same for all images", format=None),
        Column("values", "some of its activations", format=None),
    )
    note = "Accuracy on held-out examples; chance, 0.1, stands for runs that diverged."

    def sweeps(self, settings: Settings) -> dict[str, TrainingSettings]:
        """Learning rates by initialisation, and epochs at one learning rate."""
        on_the_way = replace(
            settings,
            models=settings.course_models,
            overrides=settings.course,
            vary=settings.course_epochs,
            seeds=settings.seeds[:1],
        )
        return {
            f"{name}{init}": replace(own, overrides=own.overrides | {"init": init})
            for name, own in (("", settings), (f"{COURSE} ", on_the_way))
            for init in settings.inits
        }

    def examine(self, run: TrainedRun, settings: Settings) -> pd.DataFrame:
        """The last activations on a batch of training images, before and after the training."""
        images = torch.cat([images for images, _ in run.data.train_batches])[:256]
        rows = []
        for when, net in (("before", run.untrained()), ("after", run.net())):
            layer, output = _last_activation(net.eval(), images)
            units = output.flatten(2).amax(2) if output.dim() > 2 else output
            dead = units.std(0) <= VARIES * output.abs().max()
            values = output.flatten()[:: max(1, output.numel() // KEPT)][:KEPT]
            rows.append((when, layer, float(dead.float().mean()), values.cpu().numpy()))
        found = pd.DataFrame(rows, columns=[column.name for column in self.columns[1:]])
        return found.assign(epochs=run.spec.protocol.epochs)

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Differences of accuracies, each over pairs of recipes that are otherwise alike."""
        table = self._recipes(rows)
        sides = (
            ("Batch normalisation makes training succeed", "model", NORMALISED, NET),
            ("LSUV initialises better than PyTorch's default", "sweep", "lsuv", "default"),
            ("Xavier initialises better than PyTorch's default", "sweep", "xavier", "default"),
            ("ReLU trains better than sigmoid", "model", "lenet_relu", "lenet"),
        )
        found = []
        for claim, level, a, b in sides:
            known = table.index.get_level_values(level)
            if not {a, b} <= set(known):
                continue
            gains = 100 * (table.xs(a, level=level) - table.xs(b, level=level)).stack()
            what = f"Accuracy of {_short(a)} less that of {_short(b)}, mean of {len(gains)} recipes"
            found.append(Verdict.of(claim, what, over_seeds(gains), at_least=0, unit="points"))
        return found

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Accuracy of each net by initialisation, a column for each learning rate."""
        table = self._recipes(rows)
        table.columns = [f"learning rate {rate:g}" for rate in table.columns]
        return table.map("{:.3f}".format).reset_index().rename(columns={"sweep": "initialisation"})

    @look(**{"axes.grid": False})
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Accuracies of all recipes, and the course of the last activations, a panel a net."""
        table, way = self._recipes(rows), rows[rows["sweep"].str.startswith(COURSE)]
        panels = list(way.groupby(["model", "sweep"]))
        figure = plt.figure(figsize=(14, 1.8 + 0.45 * len(table)))
        left, right = figure.subfigures(1, 2, width_ratios=(1, 1.3))
        axes = left.subplots()
        axes.imshow(table, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        for (line, column), value in np.ndenumerate(table.to_numpy()):
            color = "white" if value < 0.6 else "black"
            axes.text(column, line, f"{value:.2f}", ha="center", va="center", color=color)
        axes.set_xticks(range(len(table.columns)), [f"{rate:g}" for rate in table.columns])
        axes.set_yticks(range(len(table)), [f"{_short(net)}, {init}" for net, init in table.index])
        axes.set_xlabel("learning rate")
        axes.set_title("accuracy; 0.10 is chance", loc="left")
        nets = way["model"].nunique()
        grid = right.subplots(nets, -(-len(panels) // nets), squeeze=False)
        for own, ((model, sweep), of) in zip(grid.flat, panels, strict=False):
            _draw_course(own, of)
            own.set_title(f"{model}, {sweep.removeprefix(COURSE).strip()}", loc="left")
        right.suptitle("last activations (logarithmic counts); below: epochs, dead units")
        return figure

    def _recipes(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Mean accuracy by net, initialisation and learning rate; chance where a run failed."""
        runs = self.trainings(rows)
        runs = runs[~runs["sweep"].str.startswith(COURSE)]
        accuracy = runs[["validation_accuracy", "test_accuracy"]].astype(float).max(axis="columns")
        runs = runs.assign(accuracy=accuracy.fillna(runs["majority_share"].max()))
        return runs.pivot_table("accuracy", ["model", "sweep"], "varied_value", sort=False)


def _last_activation(net: nn.Module, images: Tensor) -> tuple[str, Tensor]:
    """Name and output of the last activation that a net computes."""
    seen: list[tuple[str, Tensor]] = []
    handles = [
        module.register_forward_hook(
            lambda _, inputs, output, name=name: seen.append((name, output))
        )
        for name, module in net.named_modules()
        if isinstance(module, nn.ReLU | nn.Sigmoid)
    ]
    with torch.no_grad():
        net(images)
    for handle in handles:
        handle.remove()
    return seen[-1]


def _draw_course(axes: Axes, rows: pd.DataFrame) -> None:
    """Histograms side by side: before the training, and after each number of epochs."""
    after = rows[rows["when"] == "after"].sort_values("epochs")
    before = rows[rows["when"] == "before"].iloc[:1]
    states = pd.concat([before, after])
    edges = np.linspace(0, max(values.max() for values in states["values"]) or 1, 31)
    counts = [np.histogram(values, edges)[0] for values in states["values"]]
    axes.imshow(np.log1p(np.transpose(counts)), origin="lower", aspect="auto", cmap="magma")
    epochs = ["0", *(f"{epochs}" for epochs in after["epochs"])]
    dead = states["dead"].map("{:.0%}".format)
    axes.set_xticks(range(len(states)), map("{}\n{}".format, epochs, dead))
    axes.set_yticks((-0.5, 29.5), ("0", f"{edges[-1]:.2g}"))


def _short(model: str) -> str:
    return {NET: "convnet", NORMALISED: "convnet, batch norm"}.get(model, model)
