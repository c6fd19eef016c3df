"""Are more filters in the first layer better?

A net of teaching material (`lit_models/nets/convnet.py`) on CIFAR-10, with 8 to 256 filters in its
first convolution and all else alike.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.analysis.intervals import error_bars
from benchmarks.records.record import OK
from benchmarks.report.style import look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict

OPTION = "first_layer_filters"
PANELS = {
    "loss": "training loss of the last epoch (nats)",
    "parameters": "parameters (million)",
    "examples_per_sec": "training examples/sec",
}


class FirstLayerFilters(TrainingStudy):
    # At 20 px, with a third of the multiply-adds of 32 px; 3,000 examples a training.
    quick = TrainingSettings(
        models=(f"convnet[{OPTION}=[8,32,128]]",),
        dataset="cifar10",
        protocol="quick",
        overrides={"image_size": "20", "train_examples": "1000", "epochs": "3"},
    )
    full = TrainingSettings(
        models=(f"convnet[{OPTION}=[8,16,32,64,128,256]]",),
        dataset="cifar10",
        protocol="standard",
        overrides={"image_size": "32"},
        seeds=(0, 1, 2, 3, 4),
    )

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The most filters against the fewest, and against those in the middle."""
        models = self._by_filters(rows)
        counts = sorted(models)
        fewest, middle, most = counts[0], counts[len(counts) // 2], counts[-1]
        return [
            self.better(rows, f"{most} filters are better than {few}", models[most], models[few])
            for few in dict.fromkeys((fewest, middle))
            if few != most
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Test accuracy with its interval, loss, parameters and speed against the filters."""
        models = self._by_filters(rows)
        intervals = [self.accuracy(rows, models[count]) for count in sorted(models)]
        done = rows[rows["status"] == OK].assign(filters=lambda r: self.option(r, OPTION))
        means = done.groupby("filters")[list(PANELS)].mean()
        figure, panels = plt.subplots(2, 2, figsize=(11, 7.5), sharex=True)
        accuracy, *others = panels.flat
        accuracy.errorbar(
            means.index,
            [each.estimate for each in intervals],
            yerr=error_bars(intervals),
            marker="o",
            capsize=4,
        )
        accuracy.scatter(done["filters"], done["test_accuracy"], s=14, color="C0", alpha=0.4)
        accuracy.set_title("test accuracy; bar: 95 % interval; dots: seeds", loc="left")
        for axes, (column, title) in zip(others, PANELS.items(), strict=True):
            unit = 1e6 if column == "parameters" else 1
            axes.plot(means.index, means[column] / unit, marker="o", color="C2")
            axes.scatter(done["filters"], done[column] / unit, s=14, color="C2", alpha=0.4)
            axes.set_title(title, loc="left")
        for axes in panels.flat:
            axes.set_xscale("log", base=2)
            axes.set_xticks(means.index, map(str, means.index))
        for axes in panels[1]:
            axes.set_xlabel("filters in the first layer (log scale)")
        return figure

    def _by_filters(self, rows: pd.DataFrame) -> dict[int, str]:
        """The models that ended well, by number of filters."""
        done = rows[rows["status"] == OK]
        return dict(zip(self.option(done, OPTION), done["model"], strict=True))
