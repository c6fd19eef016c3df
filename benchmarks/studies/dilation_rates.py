"""Do dilation rates that leave holes cost accuracy in segmentation?

The net `dilated_fcn` with one group of three dilated convolutions. Rates 2, 2, 4 span as many
pixels as 1, 2, 5 with as many parameters, but reach every second one only (gridding); rates 1, 1, 1
leave no holes and span less.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.analysis.intervals import error_bars, over_seeds
from benchmarks.records.record import OK
from benchmarks.report.style import look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict
from lit_models.nets.dilated_fcn import coverage

FIGURE = "test_mean_iou"


class DilationRates(TrainingStudy):
    quick = TrainingSettings(
        models=("dilated_fcn[groups=1,rates=[[1,2,5],[2,2,4],[1,1,1]]]",),
        dataset="fashion_mnist_masks",
        protocol="quick",
        overrides={"image_size": "56", "train_examples": "1500", "epochs": "2"},
    )
    full = TrainingSettings(
        models=("dilated_fcn[groups=[1,2],rates=[[1,2,5],[2,2,4],[1,2,9],[1,1,1]]]",),
        dataset="fashion_mnist_masks",
        protocol="standard",
        overrides={"image_size": "224"},
        seeds=(0, 1, 2, 3, 4),
    )

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """The first rates, which leave no holes, against each of the others."""
        models = self._by_label(rows)
        good, *others = models
        name = self._name(models[good])
        return [
            self.better(
                rows,
                f"Rates {name} are better than {self._name(models[other])}",
                good,
                other,
                figure=FIGURE,
            )
            for other in others
            if models[other][1] == models[good][1]
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Mean IoU with its interval; dots: seeds."""
        done, models = rows[rows["status"] == OK], self._by_label(rows)
        figure, axes = plt.subplots(figsize=(9, 5))
        for place, model in enumerate(models):
            own = done.loc[done["label"] == model, FIGURE]
            mean, options = over_seeds(own), {"fmt": "o", "capsize": 4, "color": f"C{place}"}
            axes.errorbar([place], [mean.estimate], error_bars([mean]), **options)
            axes.plot([place + 0.1] * len(own), own, "o", color=f"C{place}", ms=4, alpha=0.5)
        names = []
        for rates, groups in models.values():
            seen, span = coverage(rates * groups)
            names.append(f"{self._name((rates, groups))}\n{seen} of {span} px a side")
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_xlabel("rates; pixels of the map that reach an output, of those spanned")
        axes.set_ylabel("mean IoU; bar: 95 % interval, dots: seeds")
        return figure

    def _by_label(self, rows: pd.DataFrame) -> dict[str, tuple[tuple[int, ...], int]]:
        """Rates and groups of the models that ended well, as in the settings."""
        done = rows[rows["status"] == OK].drop_duplicates("label")
        options = (self.option(done, name) for name in ("rates", "groups"))
        rates, groups = options
        found = dict(zip(done["label"], zip(map(tuple, rates), groups, strict=True), strict=True))
        return dict(
            sorted(found.items(), key=lambda item: (item[1][1], coverage_order(item[1][0])))
        )

    def _name(self, model: tuple[tuple[int, ...], int]) -> str:
        rates, groups = model
        text = ", ".join(map(str, rates))
        return text if groups == 1 else f"{text}, {groups} times"


def coverage_order(rates: tuple[int, ...]) -> tuple[bool, int]:
    """Without holes first, and of these the longest span."""
    seen, span = coverage(rates)
    return seen < span, -span
