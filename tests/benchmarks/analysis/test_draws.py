import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.draws import DRAWS, normals, scales


def test_the_draws_are_normal_and_independent():
    drawn = normals(12)
    assert np.abs(drawn.mean(axis=1)).max() < 4 / np.sqrt(DRAWS)
    assert drawn.var(axis=1) == pytest.approx(1, abs=0.04)
    between = np.corrcoef(drawn)[np.triu_indices(12, 1)]
    assert np.abs(between).max() < 4 / np.sqrt(DRAWS)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
    assert (normals(3) == drawn[:3]).all()


@pytest.mark.parametrize("degrees", [1.0, 2.5, 14.0, 1e4])
@pytest.mark.parametrize("nets", [3, 8])
def test_the_largest_difference_is_a_studentized_range(nets, degrees):
    drawn = np.ptp(normals(nets), axis=0) / scales(degrees)
    expected = stats.studentized_range.ppf(0.95, nets, degrees)
    assert np.quantile(drawn, 0.95) == pytest.approx(expected, rel=0.02)
