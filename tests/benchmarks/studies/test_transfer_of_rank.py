import json

import matplotlib.pyplot as plt
import pytest

from benchmarks import studies
from benchmarks.errors import UsageError
from benchmarks.studies.base import Context
from benchmarks.studies.base.comparisons import SWEEPS

# Three trainings each; the order is turned in the other comparison.
ACCURACIES = {
    "lenet": 0.50,
    "alexnet": 0.60,
    "nin": 0.55,
    "googlenet": 0.75,
    "densenet": 0.80,
    "resnet18": 0.90,
}


@pytest.fixture
def read(make_results, tmp_path):
    """The study and its rows, with these accuracies on the other dataset."""

    def read(others, seeds=3, here=ACCURACIES):
        study = studies.load("transfer_of_rank")
        sweeps = {}
        for name, accuracies in (("here", here), ("there", others)):
            of = {net: [a + 0.005 * s for s in range(seeds)] for net, a in accuracies.items()}
            made = make_results(tmp_path / name, of, fields={"image_size": 70})
            sweeps[name] = made.relative_to(tmp_path).as_posix()
        (tmp_path / SWEEPS).write_text(json.dumps(sweeps))
        return study, study.read(tmp_path)

    return read


def test_the_same_order_holds_beyond_chance(read):
    study, rows = read({net: 0.9 * accuracy for net, accuracy in ACCURACIES.items()})
    related, holds, *of_book = study.verdicts(rows)
    assert (related.effect, holds.effect) == (1, 0)
    assert (related.outcome, holds.outcome) == ("supported", "supported")
    assert [each.figure for each in of_book] == ["Kendall's tau of 5 nets", "Part of 10 pairs"]
    # The book's order is lenet < nin < alexnet < densenet < googlenet.
    assert of_book[1].effect == pytest.approx(10)
    assert "100 % of the pairs have the same order on there" in study.about(rows)


def test_a_turned_order_does_not_hold(read):
    study, rows = read({net: 1 - accuracy for net, accuracy in ACCURACIES.items()})
    related, holds, *_ = study.verdicts(rows)
    assert (related.outcome, holds.outcome) == ("not supported", "not supported")
    figure = study.plot(rows)
    assert [len(axes.texts) for axes in figure.axes] == [6, 5]
    plt.close(figure)


def test_single_trainings_speak_of_themselves(read):
    study, rows = read(ACCURACIES, seeds=1)
    assert all("Of these trainings only." in verdict.note for verdict in study.verdicts(rows))


def test_nets_without_published_figures_are_refused(read):
    nets = {"resnet18": 0.9, "vgg11": 0.8}
    study, rows = read(nets, here=nets)
    with pytest.raises(UsageError, match="train more of lenet, alexnet"):
        study.verdicts(rows)


@pytest.mark.parametrize("name", ["transfer_of_rank", "time_to_accuracy"])
@pytest.mark.parametrize("budget", ["quick", "full"])
def test_budgets_are_sweeps_that_can_be_served(tmp_path, name, budget):
    study = studies.load(name)
    context = Context(tmp_path / "studies" / name, "cpu")
    assert study.configs(study.settings(budget, {}), context)
