"""How much do weights from another dataset help where images are few?

A net is trained on a few images of CIFAR-10 from scratch, and from the weights that it learns on
Fashion-MNIST first, all else alike. Fashion-MNIST, since none of its classes or images is in
CIFAR-10. Its images are grey: the first convolution is adapted to colours, as for any weights.
"""

import json
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks.analysis.intervals import Interval, error_bars
from benchmarks.errors import UsageError
from benchmarks.execution.executor import make_executor
from benchmarks.execution.sweep import sweep
from benchmarks.planning.protocol import Count
from benchmarks.records.artifacts import weights_path
from benchmarks.records.record import OK
from benchmarks.records.store import RecordStore
from benchmarks.report.style import look
from benchmarks.studies.base import Context, TrainingSettings, TrainingStudy, Verdict

SCRATCH, PRETRAINED = "from scratch", "pretrained"


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """The trainings on few images, and where the weights of half of them come from.

    Args:
        source: dataset of the net whose weights are taken, which is trained first.
        source_examples, source_epochs: of that training.
        weights: a file of weights instead, such as a library's; None: those of the source.
    """

    source: str = "fashion_mnist"
    source_examples: Count = 10_000
    source_epochs: Count = 2
    weights: str | None = None


class FromScratchOrPretrained(TrainingStudy):
    quick = Settings(
        models=("resnet20",),
        dataset="cifar10",
        protocol="quick",
        overrides={"image_size": "24", "epochs": "6"},
        vary="train_examples=500,2000",
        timed=False,
    )
    full = replace(
        quick,
        overrides={"image_size": "32", "epochs": "20"},
        vary="train_examples=500,2000,8000",
        seeds=(0, 1, 2, 3, 4),
        source_examples=60_000,
        source_epochs=10,
    )

    def sweeps(self, settings: Settings) -> dict[str, TrainingSettings]:
        """The same trainings with the two starts."""
        weights = {"weights": json.dumps(settings.weights)}
        return {
            SCRATCH: settings,
            PRETRAINED: replace(settings, overrides=settings.overrides | weights),
        }

    def run(self, settings: Settings, context: Context) -> bool:
        """As in every study, after the training that leaves the weights.

        Raises:
            UsageError: that training failed, or several models are asked for.
        """
        if settings.weights is None:
            settings = replace(settings, weights=self._pretrained(settings, context))
        return super().run(settings, context)

    def _pretrained(self, settings: Settings, context: Context) -> str:
        """The path of the weights of the net trained on the source."""
        own = {"train_examples": settings.source_examples, "epochs": settings.source_epochs}
        source = replace(
            settings,
            dataset=settings.source,
            overrides=settings.overrides | {name: str(value) for name, value in own.items()},
            vary=None,
            seeds=settings.seeds[:1],
            keep_weights=True,
        )
        config, records = self.config(source, context), RecordStore(context.folder)
        specs = [spec for spec, _ in self.planned({"": config})]
        if len(specs) > 1:
            raise UsageError(f"{self.name} takes one model, whose weights start the others")
        for record in sweep(specs, records, make_executor(config), context.force):
            if record.status == OK:
                return str(weights_path(records.path(specs[0])))
        raise UsageError(f"the training on {settings.source} left no weights")

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The two starts against each other, for each number of images."""
        return [
            self.better(rows, f"Pretrained weights are better on {count:,.0f} images", *pair)
            for count, pair in self._pairs(rows).items()
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Test accuracy of both starts against the number of images, and what the weights bring."""
        figure, (accuracies, gains) = plt.subplots(1, 2, figsize=(11, 4.5))
        accuracies.set_title("test accuracy; bar: 95 % interval; dots: seeds", loc="left")
        gains.set_title("gain by pretrained weights (points)", loc="left")
        gains.axhline(0, color="0.5", lw=1)
        pairs = self._pairs(rows)
        gained = [Interval(v.effect, v.low, v.high) for v in self.verdicts(rows)]
        lines = [(gains, "", "C2", 1.0, gained)]  # shifted, so that bars stand side by side
        for number, start in enumerate((PRETRAINED, SCRATCH)):
            color, own = f"C{number}", rows[rows["sweep"] == start]
            accuracies.scatter(own["varied_value"], own["test_accuracy"], 14, color, alpha=0.4)
            found = [self.accuracy(rows, pair[number]) for pair in pairs.values()]
            lines.append((accuracies, start, color, (0.98, 1.02)[number], found))
        for axes, start, color, shift, intervals in lines:
            at, means = [shift * count for count in pairs], [i.estimate for i in intervals]
            bars = error_bars(intervals)
            axes.errorbar(at, means, bars, fmt="o-", color=color, capsize=4, label=start)
            axes.set_xscale("log")
            axes.set_xticks([*pairs], [f"{count:,.0f}" for count in pairs])
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlabel("training images (log scale)")
        accuracies.legend()
        return figure

    def _pairs(self, rows: pd.DataFrame) -> dict[float, tuple[str, str]]:
        """The labels of the pretrained net and of the other, by number of images."""
        done = rows[rows["status"] == OK]
        labels = done.pivot_table("label", "varied_value", "sweep", "first")
        both = labels.reindex(columns=[PRETRAINED, SCRATCH]).dropna()
        return {row[0]: (row[1], row[2]) for row in both.itertuples()}
