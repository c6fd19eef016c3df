import json

import matplotlib.pyplot as plt
import pytest

from benchmarks.studies.base.training_study import SWEEPS
from benchmarks.studies.tutorial_nets import OTHERS, RESNET, TutorialNets


@pytest.fixture
def study(make_results, tmp_path):
    """The study and its rows, where ResNet is ahead by little, by a point and by much."""
    behind = dict(zip(OTHERS, (0.0, 0.01, 0.06), strict=True))
    accuracies = {RESNET: [0.800, 0.801, 0.802]} | {
        name: [0.800 - less, 0.801 - less, 0.802 - less] for name, less in behind.items()
    }
    folder = make_results(tmp_path, accuracies)
    (tmp_path / SWEEPS).write_text(json.dumps({"": str(folder.relative_to(tmp_path))}))
    study = TutorialNets("tutorial_nets")
    return study, study.read(tmp_path)


def test_more_than_a_point_is_asked_for(study):
    study, rows = study
    outcomes = [each.outcome.partition(" ")[0] for each in study.verdicts(rows)]
    assert outcomes == ["not", "undecided", "supported"]
    assert all("(the tutorial: " in each.claim for each in study.verdicts(rows))


def test_measured_and_published_nets_have_a_row_each(study):
    study, rows = study
    figure = study.plot(rows)
    assert [len(axes.get_lines()[0].get_xdata()) for axes in figure.axes] == [4, 4]
    plt.close(figure)
