"""Are deeper nets better, with shortcuts and without?

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", 2016, 4.2: without
shortcuts the training error grows with depth (degradation); with shortcuts it falls.
"""

import math
import re

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

import lit_models
from benchmarks.analysis.intervals import error_bars, over_seeds
from benchmarks.records.record import OK
from benchmarks.report.style import look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict

PLAIN, RESIDUAL = "plain", "residual"
PANELS = {
    "loss": "training loss (nats), 95 % interval",
    "train_accuracy": "training accuracy",
    "test_accuracy": "test accuracy",
}


class Depth(TrainingStudy):
    # At 16 px, with a quarter of the multiply-adds of 32 px.
    quick = TrainingSettings(
        models=("resnet20", "resnet44", "plain20", "plain44"),
        dataset="cifar10",
        protocol="quick",
        overrides={"image_size": "16", "train_examples": "1000", "batch_size": "16"},
        timed=False,
    )
    full = TrainingSettings(
        models=(
            *(f"{kind}{depth}" for kind in ("resnet", "plain") for depth in (20, 32, 44, 56)),
            *(f"vgg{depth}" for depth in (11, 13, 16, 19)),
            *(f"resnet{depth}" for depth in (18, 34, 50)),
        ),
        dataset="cifar10",
        protocol="standard",
        overrides={"image_size": "32", "epochs": "30", "augmentation": "[flip, crop]"},
    )

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Degradation, what shortcuts change about it, and whether depth pays less and less."""
        families = self._families(rows)
        found = []
        for family, nets in families.items():
            shallow, deep = min(nets), max(nets)
            if shallow == deep:
                continue
            a, b = nets[deep], nets[shallow]
            if family == PLAIN:
                claim = f"Degradation: without shortcuts, {deep} layers train worse than {shallow}"
                found.append(self.better(rows, claim, b, a, figure="loss"))
            if family == RESIDUAL:
                claim = f"With shortcuts, {deep} layers train better than {shallow}"
                found.append(self.better(rows, claim, a, b, figure="loss"))
            claim = f"Deeper is more accurate: {deep} layers against {shallow}, {family}"
            found.append(self.better(rows, claim, a, b))
            if len(nets) > 3:
                found.append(self._diminishing(rows, family, nets))
        common = families.get(PLAIN, {}).keys() & families.get(RESIDUAL, {}).keys()
        if common:
            deep = max(common)
            a, b = families[RESIDUAL][deep], families[PLAIN][deep]
            found.append(self.better(rows, f"Shortcuts help a net of {deep} layers", a, b))
        return found

    def _diminishing(self, rows: pd.DataFrame, family: str, nets: dict[int, str]) -> Verdict:
        """The gain of the first step in depth against that of the last, with different nets."""
        depths = sorted(nets)
        steps = [
            self.better(rows, "", nets[deep], nets[shallow])
            for shallow, deep in (depths[:2], depths[-2:])
        ]
        effect = steps[0].effect - steps[1].effect
        half = math.hypot(*((step.high - step.low) / 2 for step in steps))
        return Verdict(
            f"Depth pays less and less, {family}",
            f"Gain from {depths[0]} to {depths[1]} layers less that from {depths[-2]} to "
            f"{depths[-1]}",
            *(effect, effect - half, effect + half),
            at_least=0,
            unit="points",
        )

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Loss and accuracies against depth, a line for each family."""
        done = rows[rows["status"] == OK]
        figure, panels = plt.subplots(1, 3, figsize=(13, 4.6))
        for axes, (column, title) in zip(panels, PANELS.items(), strict=True):
            for number, (family, nets) in enumerate(self._families(rows).items()):
                depths, color = sorted(nets), f"C{number}"
                seeds = [done[done["model"] == nets[depth]][column] for depth in depths]
                found = [
                    self.accuracy(rows, nets[depth])
                    if column == "test_accuracy"
                    else over_seeds(of)
                    for depth, of in zip(depths, seeds, strict=True)
                ]
                means, bars = [each.estimate for each in found], error_bars(found)
                axes.errorbar(depths, means, bars, marker="o", capsize=4, color=color, label=family)
                for depth, of in zip(depths, seeds, strict=True):
                    axes.scatter([depth] * len(of), of, s=14, color=color, alpha=0.4)
            axes.set_title(title, loc="left")
            axes.set_xlabel("layers with weights")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=4)
        return figure

    def _families(self, rows: pd.DataFrame) -> dict[str, dict[int, str]]:
        """The models that ended well, by family and depth."""
        found: dict[str, dict[int, str]] = {}
        for model in sorted(rows[rows["status"] == OK]["model"].unique()):
            if named := re.fullmatch(r"([a-z]+)(\d+)(.*)", model):
                family, depth, variant = named.groups()
                if lit_models.entry(model).module.endswith("resnet_cifar"):
                    family = PLAIN if family == "plain" else RESIDUAL
                found.setdefault(f"{family}{variant}", {})[int(depth)] = model
        return found
