"""What accuracy do cheap convolutions cost in a whole net, and what time do they save?

The net `convstack`, six convolutions, with those after the first in groups, depthwise, separable or
as bottlenecks; all else alike.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.analysis.intervals import error_bars
from benchmarks.records.record import OK
from benchmarks.report.style import look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict
from lit_models.cheap_convolutions import KINDS

FIGURES = {
    "macs": ("million multiply-adds an image (log scale)", 1e6, "log"),
    "parameters": ("thousand parameters (log scale)", 1e3, "log"),
    "examples_per_sec": ("training examples/sec", 1, "linear"),
}


class CheapConvolutionsInNets(TrainingStudy):
    quick = TrainingSettings(
        models=(f"convstack[convolution=[{','.join(KINDS)}]]",),
        dataset="fashion_mnist",
        protocol="quick",
        overrides={"image_size": "28", "epochs": "3"},
    )
    full = TrainingSettings(
        models=(f"convstack[width=64,convolution=[{','.join(KINDS)}]]",),
        dataset="cifar10",
        protocol="standard",
        overrides={"image_size": "32"},
        seeds=(0, 1, 2, 3, 4),
    )

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Each cheap kind against the standard convolution."""
        models = self._by_kind(rows)
        standard = models.pop("standard", None)
        return [
            self.better(rows, f"Standard convolutions are better than {kind}", standard, model)
            for kind, model in models.items()
            if standard
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Test accuracy with its interval against cost and speed; a colour a kind."""
        models, done = self._by_kind(rows), rows[rows["status"] == OK]
        figure, panels = plt.subplots(1, 3, figsize=(15, 5), sharey=True)
        for axes, (column, (title, unit, scale)) in zip(panels, FIGURES.items(), strict=True):
            for kind, model in models.items():
                place = done.loc[done["label"] == model, column].mean() / unit
                own = self.accuracy(rows, model)
                options = {"fmt": "o", "capsize": 4, "label": kind}
                axes.errorbar([place], [own.estimate], error_bars([own]), **options)
            axes.set(xscale=scale, xlabel=title)
            if scale == "log":
                axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axes.minorticks_off()
            axes.xaxis.set_major_formatter("{x:,g}")
        panels[0].set_ylabel("test accuracy; bar: 95 % interval")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        return figure

    def _by_kind(self, rows: pd.DataFrame) -> dict[str, str]:
        """The models that ended well, by the kind of convolution, in the order of `KINDS`."""
        done = rows[rows["status"] == OK]
        found = dict(zip(self.option(done, "convolution"), done["label"], strict=True))
        return {kind: found[kind] for kind in KINDS if kind in found}
