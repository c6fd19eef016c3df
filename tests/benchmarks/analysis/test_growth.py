import numpy as np
import pytest

from benchmarks.analysis.growth import exponent, exponent_interval

SIZES = (1, 3, 5, 7)


def test_a_power_law_has_its_exponent():
    assert exponent(SIZES, 3 * np.array(SIZES) ** 1.7) == pytest.approx(1.7)


def test_the_interval_covers_the_exponent():
    """95 of 100 intervals should; 200 experiments cover it 180 to 200 times but for bad luck."""
    generator = np.random.default_rng(0)
    times = np.array(SIZES, float)[:, None] ** 2
    covered = 0
    for _ in range(200):
        noise = generator.lognormal(0, 0.1, (len(SIZES), 25))
        effect, low, high = exponent_interval(SIZES, times * noise)
        assert low <= effect <= high
        covered += low <= 2 <= high
    assert 180 <= covered <= 200


def test_a_slow_round_changes_nothing():
    """All sizes of a round are slowed down alike."""
    times = np.outer(np.array(SIZES) ** 2, [1, 1, 1, 1, 9])
    assert exponent_interval(SIZES, times) == pytest.approx((2, 2, 2))
