import json

import matplotlib.pyplot as plt
import pytest

from benchmarks.errors import UsageError
from benchmarks.studies.base.comparisons import SWEEPS
from benchmarks.studies.time_to_accuracy import TARGETS, TimeToAccuracy

# Accuracies on the way, seconds and FLOPs of each training.
NETS = {
    "lenet": ([0.80, 0.86, 0.87, 0.881], 4.0, 1e9),
    "resnet20": ([0.85, 0.90, 0.91, 0.915], 40.0, 9e9),
}


@pytest.fixture
def read(make_results, tmp_path):
    """The study and its rows, of so many trainings with these evaluations on the way."""

    def read(trainings=5, evaluated=True):
        study = TimeToAccuracy("time_to_accuracy")
        for net, (accuracies, seconds, flops) in NETS.items():
            way = [
                {"epoch": (n + 1) / 2, "seconds": seconds * (n + 1) / 4, "accuracy": accuracy}
                for n, accuracy in enumerate(accuracies)
            ]
            folder = make_results(
                tmp_path,
                {net: [accuracies[-1]] * trainings},
                evaluations=way if evaluated else [],
                train_flops=flops,
                evaluated_examples=10_000,
                train_examples=60_000,
                with_predictions=False,
            )
        (tmp_path / SWEEPS).write_text(json.dumps({"": str(folder.relative_to(tmp_path))}))
        return study, study.read(tmp_path)

    return read


def test_seconds_and_flops_until_the_interval_lies_above_the_target(read):
    study, rows = read()
    text = study.markdown(rows)
    lenet, resnet = (next(x for x in text.splitlines() if f"`{net}`" in x) for net in NETS)
    assert [cell.strip() for cell in lenet.split("|")[2:-1]] == [
        "2 s (2 to 2), 5e+08 FLOPs",
        *["not reached"] * 3,  # 0.881 lies above 0.88 by chance
    ]
    assert resnet.split("|")[3].strip() == "20 s (20 to 20), 4.5e+09 FLOPs"
    assert resnet.split("|")[4].strip() == "30 s (30 to 30), 6.8e+09 FLOPs"
    outcomes = {verdict.claim: verdict.outcome for verdict in study.verdicts(rows)}
    assert outcomes == {
        "A net reaches 0.85": "supported",
        "The net with the fewest FLOPs to 0.85 is the quickest": "supported",
        "A net reaches 0.88": "supported",
        "A net reaches 0.90": "supported",
        "A net reaches 0.92": "undecided",
    }
    about = study.about(rows)
    assert "0.85 is reached by 2 of the nets, first by `lenet` in 2 seconds" in about
    assert "0.92 is reached by 0 of the nets." in about


def test_few_trainings_reach_nothing(read):
    study, rows = read(trainings=3)
    assert study.markdown(rows).count("needs 2 more seeds") == len(NETS) * len(TARGETS)
    assert {each.outcome for each in study.verdicts(rows)} == {"needs 2 more seeds"}


def test_evaluations_on_the_way_are_needed(read):
    study, rows = read(evaluated=False)
    with pytest.raises(UsageError, match="evaluate_every"):
        study.verdicts(rows)


def test_stars_stand_where_targets_are_reached(read):
    study, rows = read()
    figure = study.plot(rows)
    stars = [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    assert [list(line.get_ydata()) for line in stars] == [[0.85], [0.85, 0.88, 0.90]]
    plt.close(figure)
