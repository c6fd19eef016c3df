import json

import matplotlib.pyplot as plt
import pytest

from benchmarks.studies.base.training_study import SWEEPS
from benchmarks.studies.pooling_or_stride import PoolingOrStride

NET = "convnet[head={},narrowing=64,pooling={}]"


@pytest.fixture
def study(make_results, tmp_path):
    """The study and its rows, from records of given accuracies."""
    accuracies = {
        NET.format("linear", "convolution"): [0.60, 0.61, 0.62],
        NET.format("linear", "stride"): [0.50, 0.51, 0.52],
        NET.format("linear", "average"): [0.60, 0.61, 0.62],
    }
    make_results(tmp_path, {"convnet[narrowing=64]": [0.60, 0.61, 0.62]}, parameters=1000)
    make_results(
        tmp_path, {"convnet[head=average,narrowing=64]": [0.60, 0.61, 0.62]}, parameters=100
    )
    names = {name.replace("head=linear,", ""): values for name, values in accuracies.items()}
    folder = make_results(tmp_path, names)
    (tmp_path / SWEEPS).write_text(json.dumps({"": str(folder.relative_to(tmp_path))}))
    study = PoolingOrStride("pooling_or_stride")
    return study, study.read(tmp_path)


def test_what_is_as_accurate_replaces_pooling_and_linear_layers(study):
    study, rows = study
    outcomes = {each.claim: each.outcome.partition(" ")[0] for each in study.verdicts(rows)}
    assert outcomes == {
        "A strided convolution can replace max pooling": "undecided",
        "So can a stride, without another convolution": "not",
        "Max pooling is better than average pooling": "needs",
        "Global average pooling can replace the linear layers": "undecided",
        "It leaves less than a quarter of the parameters": "supported",
    }


def test_each_head_has_a_point_for_each_pooling(study):
    study, rows = study
    figure = study.plot(rows)
    linear, average = figure.axes[1].lines
    assert (len(linear.get_xdata()), len(average.get_xdata())) == (4, 1)
    plt.close(figure)
