"""Draws that every machine and language computes alike, from a hash of a counter.

The page of a comparison (`report/html/static/places.js`) computes the same ones, so that it finds
the same places.
"""

from functools import cache

import numpy as np
from scipy import special

DRAWS = 20_000
LEVELS = 200  # of the distribution of a variance
LEAST_PIVOT = 1e-12  # relative; a smaller one is rounding, as of two equal nets


@cache
def normals(count: int) -> np.ndarray:
    """Independent standard normal numbers, (count, DRAWS).

    A Weyl sequence (Steele, Lea and Flood, 2014) is mixed by the hash lowbias32 (Wellons, 2018)
    and taken through the inverse of the normal distribution.
    """
    mixed = np.arange(1, count * DRAWS + 1, dtype=np.uint32) * np.uint32(0x9E3779B9)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(factor)
    mixed ^= mixed >> np.uint32(16)
    return special.ndtri((mixed + 0.5) / 2**32).reshape(count, DRAWS)


def scales(degrees: float) -> np.ndarray:
    """The square roots of chi-square variables over their degrees of freedom, (DRAWS,).

    Stratified: they take LEVELS quantiles in turn.
    """
    probabilities = (np.arange(LEVELS) + 0.5) / LEVELS
    levels = np.sqrt(special.gammaincinv(degrees / 2, probabilities) / (degrees / 2))
    return np.resize(levels, DRAWS)


def root(covariance: np.ndarray) -> np.ndarray:
    """The lower triangular L with L L' = covariance, which may be singular (M, M)."""
    found = np.zeros_like(covariance)
    for j in range(len(found)):
        column = covariance[j:, j] - found[j:, :j] @ found[j, :j]
        if column[0] > LEAST_PIVOT * covariance[j, j]:
            found[j:, j] = column / np.sqrt(column[0])
    return found
