"""Does a strided convolution do what pooling does, and an average what linear layers do?

Springenberg et al., "Striving for Simplicity", 2015; Lin et al., "Network In Network", 2014, 3.2.
One small net on CIFAR-10 whose maps are halved by max pooling, average pooling, a stride of the
convolution before, or another convolution with a stride; and which ends in three linear layers, or
in global average pooling and one.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.analysis.intervals import error_bars
from benchmarks.records.record import OK
from benchmarks.report.style import look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict

NET = "first_layer_filters=32,narrowing=4"
POOLINGS = ("max", "average", "stride", "convolution")
HEADS = {"linear": "linear layers", "average": "global average pooling"}
PANELS = {
    "test_accuracy": ("test accuracy, 95 % interval", 1),
    "parameters": ("parameters (million)", 1e6),
    "macs": ("multiply-adds of an image (million)", 1e6),
}
AT_MOST = 1.0  # points of accuracy that a replacement may cost


class PoolingOrStride(TrainingStudy):
    quick = TrainingSettings(
        models=(
            f"convnet[{NET},pooling=[{','.join(POOLINGS)}]]",
            f"convnet[{NET},pooling=[max,convolution],head=average]",
        ),
        dataset="cifar10",
        protocol="quick",
        overrides={"image_size": "20", "train_examples": "2000", "epochs": "6"},
        timed=False,
    )
    full = TrainingSettings(
        models=(f"convnet[pooling=[{','.join(POOLINGS)}],head=[linear,average]]",),
        dataset="cifar10",
        protocol="standard",
        overrides={"image_size": "32", "epochs": "20"},
        seeds=(0, 1, 2, 3, 4),
    )

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Each replacement against that which it replaces, and what the average saves."""
        nets = self._nets(rows)
        linear = {pooling: name for (pooling, head), name in nets.items() if head == "linear"}
        found = [
            self.better(rows, claim, linear[a], linear[b], margin=margin)
            for claim, a, b, margin in (
                ("A strided convolution can replace max pooling", "convolution", "max", AT_MOST),
                ("So can a stride, without another convolution", "stride", "max", AT_MOST),
                ("Max pooling is better than average pooling", "max", "average", 0.0),
            )
            if {a, b} <= linear.keys()
        ]
        if ("max", "average") not in nets or "max" not in linear:
            return found
        average = nets["max", "average"]
        sizes = rows.groupby("model")["parameters"].first()
        return [
            *found,
            self.better(
                rows,
                "Global average pooling can replace the linear layers",
                average,
                linear["max"],
                margin=AT_MOST,
            ),
            Verdict.exact(
                "It leaves less than a quarter of the parameters",
                "Parameters with global average pooling over those with linear layers",
                float(sizes[average] / sizes[linear["max"]]),
                at_most=0.25,
            ),
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Accuracy, parameters and multiply-adds by pooling, a colour for each head."""
        done, nets = rows[rows["status"] == OK], self._nets(rows)
        shown = [each for each in POOLINGS if {(each, head) for head in HEADS} & nets.keys()]
        figure, panels = plt.subplots(1, 3, figsize=(13, 4.6))
        for axes, (column, (title, unit)) in zip(panels, PANELS.items(), strict=True):
            for number, (head, words) in enumerate(HEADS.items()):
                own = [pooling for pooling in shown if (pooling, head) in nets]
                places = [shown.index(pooling) + 0.2 * number for pooling in own]
                color = f"C{number}"
                figures = [done[done["model"] == nets[pooling, head]][column] for pooling in own]
                means = [each.mean() / unit for each in figures]
                if column != "test_accuracy":
                    axes.plot(places, means, "o", color=color, ms=8)
                    continue
                bars = error_bars([self.accuracy(rows, nets[pooling, head]) for pooling in own])
                axes.errorbar(places, means, bars, fmt="o", ms=8, c=color, capsize=4, label=words)
                for place, seeds in zip(places, figures, strict=True):
                    axes.scatter([place + 0.07] * len(seeds), seeds, s=14, color=color, alpha=0.4)
            axes.set_title(title, loc="left")
            axes.set_xticks([place + 0.1 for place in range(len(shown))], shown)
            axes.set_xlim(-0.4, len(shown) - 0.4)
        for axes in panels[1:]:
            axes.set_ylim(bottom=0)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
        return figure

    def _nets(self, rows: pd.DataFrame) -> dict[tuple[str, str], str]:
        """The models that ended well, by pooling and head."""
        done = rows[rows["status"] == OK]
        keys = zip(self.option(done, "pooling"), self.option(done, "head"), strict=True)
        return dict(zip(keys, done["model"], strict=True))
