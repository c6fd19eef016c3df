"""When the trainings of nets reach an accuracy, by the evaluations on the way.

A single training reaches a target sooner or later than others of the same net, and its best
evaluation is in part luck. So a net has reached a target from the first evaluation at which the
interval of its mean accuracy, over trainings and test images, lies above the target, there and at
all later evaluations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.analysis.accuracies import Accuracies, Trainings
from benchmarks.analysis.intervals import Interval, over_processes
from benchmarks.analysis.metrics import flops_after
from benchmarks.records.record import RunRecord

ENOUGH_SEEDS = 5  # of a net; with fewer it counts as having reached nothing


@dataclass(frozen=True)
class Milestone:
    """An evaluation of a net on the way, over its trainings.

    Args:
        accuracy: its interval is over trainings and test images.
        epoch: of training, may be a fraction; the mean of the trainings.
        times: seconds of each training until then, without evaluations.
        flops: of training until then; NaN: not counted.
    """

    accuracy: Interval
    epoch: float
    times: list[float]
    flops: float

    @property
    def seconds(self) -> Interval:
        """The geometric mean of the times, with its interval over the trainings."""
        return over_processes([[each] for each in self.times])


def courses(runs: Mapping[str, Sequence[RunRecord]], images: int) -> dict[str, list[Milestone]]:
    """The first, second, ... evaluation of each net.

    Evaluations are matched by their number, since they wait for the end of a group of steps, whose
    size depends on the net. The spread of trainings is pooled over the nets. Images do not pair
    nets, as evaluations on the way leave no predictions.

    Args:
        runs: of nets, by name.
        images: that each evaluation is of.
    """
    found: dict[str, list[Milestone]] = {name: [] for name in runs}
    lengths = {name: min(len(run.evaluations) for run in of) for name, of in runs.items()}
    for number in range(max(lengths.values())):
        here = {name: of for name, of in runs.items() if number < lengths[name]}
        accuracies = {
            name: np.array([run.evaluations[number]["accuracy"] for run in of])
            for name, of in here.items()
        }
        table = Accuracies({name: Trainings(of, images) for name, of in accuracies.items()})
        for name, of in here.items():
            found[name].append(_milestone(of, number, table.interval(name)))
    return found


def reached(course: Sequence[Milestone], target: float) -> Milestone | None:
    """When a net had reached a target; None: not, or too few trainings tell.

    Args:
        course: of the net, as by `courses`.
        target: an accuracy, as a fraction.
    """
    below = [number for number, each in enumerate(course) if each.accuracy.low <= target]
    number = below[-1] + 1 if below else 0
    if number >= len(course) or len(course[number].times) < ENOUGH_SEEDS:
        return None
    return course[number]


def _milestone(runs: Sequence[RunRecord], number: int, accuracy: Interval) -> Milestone:
    points = [run.evaluations[number] for run in runs]
    epoch = float(np.mean([point["epoch"] for point in points]))
    flops = flops_after(runs[0], epoch)
    times = [point["seconds"] for point in points]
    return Milestone(accuracy, epoch, times, np.nan if flops is None else flops)
