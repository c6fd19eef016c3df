"""Is a small ResNet better than the other small nets by more than a point?

P. Lippe, "UvA Deep Learning Tutorials", tutorial 5, trains four nets of some 250,000 parameters on
CIFAR-10, each once and not all with the same optimizer, and concludes that ResNet is better than
the others by more than one point. Here they have one recipe, and several seeds.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.analysis.intervals import error_bars
from benchmarks.analysis.published import FIGURES, TUTORIAL
from benchmarks.records.record import OK
from benchmarks.report.style import look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict

RESNET = "resnet_small"
OTHERS = ("preact_resnet_small", "googlenet_small", "densenet_small")
POINT = 1.0

PUBLISHED = {each.model: each.accuracy for each in FIGURES if each.source == TUTORIAL}


class TutorialNets(TrainingStudy):
    # At 16 px, with a quarter of the multiply-adds of 32 px.
    quick = TrainingSettings(
        models=(RESNET, *OTHERS),
        dataset="cifar10",
        protocol="quick",
        overrides={"image_size": "16", "epochs": "3"},
        timed=False,
    )
    full = TrainingSettings(
        models=(RESNET, *OTHERS),
        dataset="cifar10",
        protocol="standard",
        overrides={"image_size": "32", "epochs": "60", "augmentation": "[flip, crop]"},
        seeds=(0, 1, 2, 3, 4),
    )

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """ResNet against each of the others, with what the tutorial found."""
        done = set(rows[rows["status"] == OK]["model"])
        return [
            self.better(
                rows,
                f"{RESNET} is better than {other} by more than a point "
                f"(the tutorial: {100 * (PUBLISHED[RESNET] - PUBLISHED[other]):.2g} points)",
                RESNET,
                other,
                margin=-POINT,
            )
            for other in OTHERS
            if {RESNET, other} <= done
        ]

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """The measured accuracies with their intervals, and the published ones."""
        done = rows[rows["status"] == OK]
        models = [model for model in (RESNET, *OTHERS) if model in set(done["model"])]
        found = [self.accuracy(rows, model) for model in models]
        figure, panels = plt.subplots(1, 2, figsize=(11, 3.6), sharey=True)
        places = range(len(models))
        means = [each.estimate for each in found]
        panels[0].errorbar(means, places, xerr=error_bars(found), fmt="o", ms=8, capsize=4)
        for place, model in zip(places, models, strict=True):
            seeds = done[done["model"] == model]["test_accuracy"]
            panels[0].scatter(seeds, [place + 0.15] * len(seeds), s=14, color="C0", alpha=0.4)
        panels[1].plot([PUBLISHED[model] for model in models], places, "D", color="C1", ms=8)
        for axes, title in zip(panels, ("here (95 % interval)", "tutorial"), strict=True):
            axes.set_title(f"test accuracy, {title}", loc="left")
            best = axes.get_lines()[0].get_xdata()[0]
            axes.axvspan(best - POINT / 100, best, color="0.9", zorder=0)
        panels[0].set_yticks(places, models)
        panels[0].invert_yaxis()
        panels[1].set_xlabel("grey: less than a point below ResNet")
        return figure
