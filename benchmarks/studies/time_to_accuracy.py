"""How long, and how many FLOPs, until nets reach a test accuracy on Fashion-MNIST?

Seconds of the training loop; evaluations stop the clock. A net has reached a target where the
interval of its accuracy lies above it, over at least five trainings and the test images; see
`benchmarks/analysis/reaching.py`. The learning rate's schedule ends with the training, so that
other numbers of epochs give other times.
"""

from dataclasses import replace
from math import exp, nan
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.analysis.differences import difference_of_rates
from benchmarks.analysis.reaching import ENOUGH_SEEDS, Milestone, courses, reached
from benchmarks.errors import UsageError
from benchmarks.records.record import OK
from benchmarks.report.style import FAINT, look
from benchmarks.studies.base import TrainingSettings, TrainingStudy, Verdict

TARGETS = (0.85, 0.88, 0.90, 0.92)


class TimeToAccuracy(TrainingStudy):
    full = TrainingSettings(
        models=("all",),
        dataset="fashion_mnist",
        protocol="laptop",
        overrides={"evaluate_every": "0.25"},
        seeds=(0, 1, 2, 3, 4),
    )
    # Nets of which five trainings on 60,000 images of 28 px take minutes.
    quick = replace(
        full,
        models=(
            "lenet",
            "lenet_relu",
            "convnet[first_layer_filters=16,head=average,narrowing=16,norm=true]",
        ),
        overrides=full.overrides | {"image_size": "28", "epochs": "3"},
    )

    def verdicts(self, rows: pd.DataFrame) -> list[Verdict]:
        """Whether a net reaches each target, and whether the cheapest is the quickest."""
        found, nets = [], self._courses(rows)
        best = max(nets, key=lambda net: nets[net][-1].accuracy.low)
        end = nets[best][-1]
        lacking = max(0, ENOUGH_SEEDS - len(end.times))
        accuracy = replace(end.accuracy, low=nan, high=nan) if lacking else end.accuracy
        for target in TARGETS:
            claim, figure = f"A net reaches {target:.2f}", f"Accuracy of {best} after training"
            others: dict[str, Any] = {"at_least": 100 * target, "unit": "%"}
            others["more_seeds"] = lacking or None
            found.append(Verdict.of(claim, figure, accuracy, scale=100, **others))
            if len(known := _reached(nets, target)) > 1:
                found.append(_cheapest(known, target))
        return found

    def markdown(self, rows: pd.DataFrame) -> str:
        """What each net takes to each target, above the table of the trainings."""
        cells = [
            {"net": f"`{net}`"} | {f"{target:.2f}": _text(course, target) for target in TARGETS}
            for net, course in self._courses(rows).items()
        ]
        table = pd.DataFrame(cells).to_markdown(index=False, disable_numparse=True)
        return f"{table}\n\n{super().markdown(rows)}"

    def caption(self, rows: pd.DataFrame) -> str:
        """The meaning of the cells."""
        return (
            "Cells of the first table: seconds of training until the interval of the accuracy lies "
            "above the target and stays there, with their 95 % interval over the trainings; FLOPs "
            "until then. *Not reached*: not by the end of the training."
        )

    def about(self, rows: pd.DataFrame) -> str:
        """Which net is the first at each target."""
        nets, done = self._courses(rows), rows[rows["status"] == OK].iloc[0]
        parts = [
            f"{len(nets)} nets were trained on {done['train_examples']:,.0f} images (epochs: "
            f"{done['epochs']}; {done['device']}), and tested several times on the way while the "
            "clock stood still. A target counts as reached when the mean of the "
            f"trainings lies above it beyond chance, over at least {ENOUGH_SEEDS} of them."
        ]
        for target in TARGETS:
            known = _reached(nets, target)
            parts.append(f"{target:.2f} is reached by {len(known)} of the nets")
            if known:
                first = min(known, key=lambda net: known[net].seconds.estimate)
                parts[-1] += f", first by `{first}` in {known[first].seconds.estimate:.3g} seconds"
        return f"{parts[0]} {'; '.join(parts[1:])}."

    @look()
    def plot(self, rows: pd.DataFrame) -> Figure:
        """Accuracy with its interval against seconds and FLOPs; stars where targets are reached."""
        figure, panels = plt.subplots(1, 2, figsize=(13, 5.5), sharey=True)
        nets = self._courses(rows)
        for number, (net, course) in enumerate(nets.items()):
            stars = [(target, end) for target in TARGETS if (end := reached(course, target))]
            for axes, cost in zip(panels, (_seconds, _flops), strict=True):
                at, color = [cost(each) for each in course], f"C{number}"
                accuracies = [each.accuracy for each in course]
                axes.plot(at, [each.estimate for each in accuracies], ".-", color=color, label=net)
                ends = [each.low for each in accuracies], [each.high for each in accuracies]
                axes.fill_between(at, *ends, color=color, alpha=0.2, lw=0)
                costs = [cost(each) for _, each in stars]
                axes.plot(costs, [target for target, _ in stars], "*", color=color, ms=14)
        for axes, unit in zip(panels, ("seconds", "FLOPs"), strict=True):
            axes.set(
                xscale="log",
                ylim=(0.6, max(TARGETS) + 0.02),
                xlabel=f"{unit} of training (log scale)",
            )
            for target in TARGETS:
                axes.axhline(target, color=FAINT, lw=1, ls="--", zorder=0)
                count = f"{len(_reached(nets, target))} of {len(nets)} nets"
                at_left = axes.get_yaxis_transform()
                axes.text(0.01, target, f"{target:.2f}: {count}", transform=at_left, va="bottom")
        panels[0].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panels[0].xaxis.set_major_formatter("{x:g}")
        for axes in panels:
            axes.xaxis.set_minor_formatter("")
        panels[0].set_title("test accuracy, 95 % interval; star: target reached", loc="left")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
        return figure

    def _courses(self, rows: pd.DataFrame) -> dict[str, list[Milestone]]:
        """The evaluations on the way, by net.

        Raises:
            UsageError: a training has none.
        """
        evidence = self.evidence(rows)
        if not all(run.evaluations for runs in evidence.runs.values() for run in runs):
            raise UsageError(f"{self.name} needs evaluations: --set protocol.evaluate_every=0.25")
        return courses(evidence.runs, evidence.images or 0)


def _reached(nets: dict[str, list[Milestone]], target: float) -> dict[str, Milestone]:
    found = {net: reached(course, target) for net, course in nets.items()}
    return {net: each for net, each in found.items() if each is not None}


def _cheapest(known: dict[str, Milestone], target: float) -> Verdict:
    """Whether the net with the fewest FLOPs is quicker than all others."""
    own = min(known, key=lambda net: known[net].flops)
    other = min(known.keys() - {own}, key=lambda net: known[net].seconds.estimate)
    a, b = ([[each] for each in known[net].times] for net in (own, other))
    ratio = difference_of_rates(a, b).interval
    return Verdict(
        f"The net with the fewest FLOPs to {target:.2f} is the quickest",
        f"Seconds of {own} over those of {other}",
        *(exp(ratio.estimate), exp(ratio.low), exp(ratio.high)),
        at_most=1,
    )


def _text(course: list[Milestone], target: float) -> str:
    if (missing := ENOUGH_SEEDS - len(course[-1].times)) > 0:
        return f"needs {missing} more seeds"
    if (found := reached(course, target)) is None:
        return "not reached"
    at = found.seconds
    return f"{at.estimate:.3g} s ({at.low:.3g} to {at.high:.3g}), {found.flops:.2g} FLOPs"


def _seconds(milestone: Milestone) -> float:
    return milestone.seconds.estimate


def _flops(milestone: Milestone) -> float:
    return milestone.flops
