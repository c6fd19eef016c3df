"""Which kernel size is best in a whole net, at equal depth and at equal cost?

The net `convstack`, six convolutions of one kernel size. At equal depth a larger kernel costs more
multiply-adds; at equal cost its layers have fewer channels, as k times the channels is constant.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.analysis.intervals import error_bars
from benchmarks.records.record import OK
from benchmarks.report.style import look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict

DEPTH, COST = "equal width", "equal cost"
PANELS = {
    "macs": ("million multiply-adds an image", 1e6),
    "parameters": ("thousand parameters", 1e3),
    "examples_per_sec": ("training examples/sec", 1),
}


def _grid(kernels: tuple[int, ...], product: int) -> tuple[str, ...]:
    """Nets as wide as that of kernel 3, and nets with this product of width and kernel."""
    wide = [f"convstack[kernel_size={k},width={product // 3}]" for k in kernels]
    fair = [f"convstack[kernel_size={k},width={round(product / k)}]" for k in kernels]
    return tuple(dict.fromkeys([*wide, *fair]))


class KernelSizeInNets(TrainingStudy):
    quick = TrainingSettings(
        models=_grid((1, 3, 5, 7), product=48),
        dataset="fashion_mnist",
        protocol="quick",
        overrides={"image_size": "28", "epochs": "3"},
    )
    full = TrainingSettings(
        models=_grid((1, 3, 5, 7, 9, 11), product=192),
        dataset="cifar10",
        protocol="standard",
        overrides={"image_size": "32"},
        seeds=(0, 1, 2, 3, 4),
    )

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Kernel 3 against the others at equal cost, and the largest against 3 at equal width."""
        wide, fair = (self._by_kernel(rows)[name] for name in (DEPTH, COST))
        larger = [k for k in wide if k > 3 and 3 in wide]
        return [
            *(
                self.better(rows, f"Kernel {k} is better than 3 at equal width", wide[k], wide[3])
                for k in larger
            ),
            *(
                self.better(rows, f"Kernel 3 is better than {k} at equal cost", fair[3], fair[k])
                for k in fair
                if k != 3 and 3 in fair
            ),
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Accuracy with its interval, cost and speed against the kernel size."""
        done = rows[rows["status"] == OK]
        means = done.groupby("label")[list(PANELS)].mean()
        figure, panels = plt.subplots(2, 2, figsize=(12, 8), sharex=True)
        accuracy, *others = panels.flat
        for name, models in self._by_kernel(rows).items():
            kernels = [*models]
            intervals = [self.accuracy(rows, model) for model in models.values()]
            options = {"marker": "o", "capsize": 4, "label": name}
            estimates = [each.estimate for each in intervals]
            accuracy.errorbar(kernels, estimates, error_bars(intervals), **options)
            for axes, (column, (title, unit)) in zip(others, PANELS.items(), strict=True):
                axes.plot(kernels, means.loc[[*models.values()], column] / unit, marker="o")
                axes.set_title(title, loc="left")
                axes.set_ylim(bottom=0)
        accuracy.set_title("test accuracy; bar: 95 % interval", loc="left")
        accuracy.legend()
        for axes in panels[1]:
            axes.set_xticks(kernels)
            axes.set_xlabel("kernel size k")
        return figure

    def _by_kernel(self, rows: pd.DataFrame) -> dict[str, dict[int, str]]:
        """The models of both comparisons that ended well, by kernel size."""
        done = rows[rows["status"] == OK]
        kernels, widths = (self.option(done, name) for name in ("kernel_size", "width"))
        known = {(k, w): label for k, w, label in zip(kernels, widths, done["label"], strict=True)}
        # Both comparisons share the net of kernel 3; others have its width, or less or more.
        common = next((w for k, w in known if k == 3), None)
        return {
            DEPTH: {k: label for (k, w), label in sorted(known.items()) if w == common},
            COST: {k: label for (k, w), label in sorted(known.items()) if w != common or k == 3},
        }
