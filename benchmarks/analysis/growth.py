"""How a measured quantity grows: the exponent of a power law, or a ratio, and its interval."""

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.analysis.differences import difference_of_rates

DRAWS = 2000


def exponent(sizes: Sequence[float], values: np.ndarray) -> np.ndarray:
    """The slope of log value against log size, by least squares.

    Args:
        sizes: at least two, above 0.
        values: above 0, (sizes, ...).

    Returns:
        A slope for each of the further axes of `values`.
    """
    x = np.log(np.asarray(sizes, float))
    x -= x.mean()
    return np.tensordot(x / (x @ x), np.log(values), axes=1)


def exponent_interval(sizes: Sequence[float], samples: np.ndarray) -> tuple[float, float, float]:
    """The exponent of the medians, and the ends of its 95 % interval.

    A percentile bootstrap (Efron, 1979) over the rounds. All sizes of a round are drawn together,
    since a slow moment of the machine falls on all of them. The interval speaks of the noise of
    timing, not of how far the sizes follow a power law.

    Args:
        sizes: at least two, above 0.
        samples: above 0, (sizes, rounds).
    """
    rounds = samples.shape[1]
    drawn = np.random.default_rng(0).integers(rounds, size=(DRAWS, rounds))
    slopes = exponent(sizes, np.median(samples[:, drawn], axis=2))
    low, high = np.quantile(slopes, (0.025, 0.975))
    return float(exponent(sizes, np.median(samples, axis=1))), float(low), float(high)


def ratio_interval(times: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """The ratio of two medians of one process, and the ends of its 95 % interval.

    The intervals of both medians are combined as independent; see `difference_of_rates`.

    Args:
        times, others: above 0, (rounds,).
    """
    found = difference_of_rates([times.tolist()], [others.tolist()]).interval
    return math.exp(found.estimate), math.exp(found.low), math.exp(found.high)
