import json

import matplotlib.pyplot as plt
import pytest

from benchmarks.studies.base.training_study import SWEEPS
from benchmarks.studies.depth import Depth

RUNS = {  # accuracies and losses of three seeds
    "plain20": ([0.60, 0.61, 0.62], 1.0),
    "plain44": ([0.50, 0.51, 0.52], 1.3),
    "resnet20": ([0.62, 0.63, 0.64], 0.9),
    "resnet44": ([0.66, 0.67, 0.68], 0.8),
    "resnet18": ([0.70, 0.71, 0.72], 0.5),
}


@pytest.fixture
def study(make_results, tmp_path):
    """The study and its rows, from records of given accuracies and losses."""
    for model, (accuracies, loss) in RUNS.items():
        folder = make_results(tmp_path, {model: accuracies}, loss=loss)
    (tmp_path / SWEEPS).write_text(json.dumps({"": str(folder.relative_to(tmp_path))}))
    study = Depth("depth")
    return study, study.read(tmp_path)


def test_degradation_is_a_higher_training_loss_of_the_deeper_plain_net(study):
    study, rows = study
    found = {verdict.claim: verdict for verdict in study.verdicts(rows)}
    degradation = found["Degradation: without shortcuts, 44 layers train worse than 20"]
    assert degradation.effect == pytest.approx(1.0 - 1.3)
    assert found["With shortcuts, 44 layers train better than 20"].effect == pytest.approx(-0.1)
    outcomes = {claim: verdict.outcome for claim, verdict in found.items()}
    deeper = "Deeper is more accurate: 44 layers against 20, {}"
    assert outcomes[deeper.format("residual")] == "supported"
    assert outcomes[deeper.format("plain")] == "not supported"
    assert outcomes["Shortcuts help a net of 44 layers"] == "supported"
    assert degradation.outcome == "supported"


def test_a_line_is_drawn_for_each_family(study):
    study, rows = study
    figure = study.plot(rows)
    lines = {handle.get_label() for handle in figure.axes[0].containers}
    assert lines == {"plain", "residual", "resnet"}
    plt.close(figure)
