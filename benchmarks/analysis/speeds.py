"""The interval of a training speed, from its rounds, its processes and the machine's drift."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.analysis.intervals import ONE_PROCESS, Interval, over_processes
from benchmarks.analysis.metrics import Metric
from benchmarks.records.record import RunRecord

ENOUGH_PROCESSES = 3  # fewer do not tell how far processes differ

# Half of an interval, over the speed. Two speeds with such intervals must differ by 14 % to be told
# apart, and the second digit of each is unknown.
WIDE = 0.1


def interval(
    rates: Sequence[float], rounds: Sequence[Sequence[float]], drift: float = 0.0
) -> Interval:
    """The interval of a speed.

    Of three or more processes, Student's t over the logarithms of their rates. Of fewer, it reaches
    from the smallest to the largest of all rates and rounds, and each side is widened by the drift
    of the machine, as independent errors of the logarithm: log half = sqrt(log range^2 + log(1 +
    drift)^2). A rate and five rounds of equal spread hold their median in 97 of 100 cases.

    Args:
        rates: the speed in the training, one a process; positive.
        rounds: speeds of the same loop timed afterwards, a list a process; may be empty.
        drift: change of the reference workload around the training; 0.05 is 5 %.

    Returns:
        The interval about the geometric mean of the rates; unknown for one rate without rounds.
    """
    if len(rates) >= ENOUGH_PROCESSES:
        return over_processes([[rate] for rate in rates])
    estimate = math.exp(float(np.mean(np.log(rates))))
    timed = [*rates, *(rate for process in rounds for rate in process)]
    if len(timed) < 2:
        return Interval(estimate, math.nan, math.nan, scope=ONE_PROCESS)
    down, up = (
        math.hypot(math.log(extreme / estimate), math.log1p(drift))
        for extreme in (min(timed), max(timed))
    )
    low, high = estimate * math.exp(-down), estimate * math.exp(up)
    return Interval(estimate, low, high, scope=ONE_PROCESS)


def of_runs(metric: Metric, runs: Sequence[RunRecord]) -> Interval | None:
    """The interval of the training speed, or of the relative speed, of runs of one net.

    Args:
        metric: `examples_per_sec` or `relative_speed`.
        runs: measured under the same conditions.

    Returns:
        None where a run has no such speed.
    """
    rates = [rate for record in runs if (rate := metric.value(record))]
    if not rates or len(rates) < len(runs):
        return None
    rounds = [_rounds(metric, record) for record in runs]
    return interval(rates, rounds, max(map(metric.drift, runs)))


def is_wide(interval: Interval) -> bool:
    """Whether a speed is too uncertain for most comparisons; see `WIDE`."""
    return interval.is_known and interval.half > WIDE * interval.estimate


def _rounds(metric: Metric, record: RunRecord) -> list[float]:
    """The figure in each round; records of earlier versions have the loop's rates alone."""
    samples = record.speed.samples
    if metric.name in samples:
        return samples[metric.name]["samples"]
    rate, value = record.speed.examples_per_sec, metric.value(record)
    loop = samples.get("loop", {}).get("samples", [])
    return [value * each / rate for each in loop] if rate and value else []
