"""How a measured quantity grows with a size: the exponent of a power law, and its interval."""

from collections.abc import Sequence

import numpy as np

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
