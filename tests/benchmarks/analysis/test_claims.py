import pytest

from benchmarks import cli
from benchmarks.analysis.by_class import by_class
from benchmarks.analysis.claims import (
    EQUIVALENT,
    MORE_SEEDS,
    NO_NUMBER,
    NOT_SUPPORTED,
    SUPPORTED,
    claim,
)
from benchmarks.analysis.evidence import Evidence, find
from benchmarks.analysis.metrics import METRICS, metric
from benchmarks.analysis.wording import claim_in_words
from benchmarks.errors import UsageError

BETTER, WORSE = [0.850, 0.852, 0.848], [0.800, 0.803, 0.797]
ACCURACY = METRICS["test_accuracy"]


def asked(capsys, *arguments):
    """The exit status of the verb `claim`, and what it printed."""
    status = cli.main(["claim", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_a_clear_difference_is_supported_one_way_and_not_the_other(make_results, tmp_path):
    found = Evidence.load(make_results(tmp_path, {"lenet": BETTER, "resnet18": WORSE}))
    for_it = claim(found, "lenet", "resnet18", ACCURACY)
    assert for_it.verdict == SUPPORTED
    assert for_it.difference.interval.estimate == pytest.approx(0.05)
    assert claim(found, "resnet18", "lenet", ACCURACY).verdict == NOT_SUPPORTED


def test_two_nets_alike_are_equivalent_within_a_margin_that_the_data_can_show(
    make_results, tmp_path
):
    found = Evidence.load(make_results(tmp_path, {"lenet": BETTER, "resnet18": BETTER}))
    assert claim(found, "lenet", "resnet18", ACCURACY, margin=0.03).verdict == EQUIVALENT
    assert claim(found, "lenet", "resnet18", ACCURACY, margin=0.001).verdict == NO_NUMBER


def test_trainings_that_scatter_need_more_seeds(make_results, tmp_path):
    scattered = {"lenet": [0.87, 0.80, 0.83], "resnet18": [0.79, 0.82, 0.77]}
    verdict = claim(Evidence.load(make_results(tmp_path, scattered)), "lenet", "resnet18", ACCURACY)
    assert verdict.verdict == MORE_SEEDS
    assert 1 <= verdict.more < 20


def test_one_training_each_says_nothing_of_other_trainings(make_results, tmp_path):
    found = Evidence.load(make_results(tmp_path, {"lenet": BETTER[:1], "resnet18": WORSE[:1]}))
    one_each = claim(found, "lenet", "resnet18", ACCURACY)
    assert one_each.difference.p < 0.001
    assert (one_each.verdict, one_each.more) == (MORE_SEEDS, 2)
    assert "the two at hand differ" in claim_in_words(one_each, found)


def test_images_pair_the_nets(make_results, tmp_path):
    nets = {"lenet": BETTER, "resnet18": WORSE}
    paired, unpaired = (
        Evidence.load(make_results(tmp_path / str(kept), nets, with_predictions=kept))
        for kept in (True, False)
    )
    halves = [
        claim(found, "lenet", "resnet18", ACCURACY).difference.interval.half
        for found in (paired, unpaired)
    ]
    assert halves[0] < halves[1]
    assert paired.accuracies.test_set[0, 1] > 0


@pytest.mark.parametrize(
    ("name", "of_lenet", "of_resnet", "verdict"),
    [
        ("examples_per_sec", 200.0, 100.0, SUPPORTED),
        ("examples_per_sec", 100.0, 200.0, NOT_SUPPORTED),
        ("speed", 100.0, 100.0, EQUIVALENT),
        ("train_flops", 1e9, 2e9, SUPPORTED),
        ("parameters", 5, 5, EQUIVALENT),
        ("macs", 7, 5, NOT_SUPPORTED),
        ("memory", 50.0, 100.0, SUPPORTED),
        ("loss", 0.5, 0.4, NOT_SUPPORTED),
    ],
)
def test_other_metrics(make_results, tmp_path, name, of_lenet, of_resnet, verdict):
    asked = metric(name)
    for model, value in (("lenet", of_lenet), ("resnet18", of_resnet)):
        folder = make_results(tmp_path, {model: [0.8, 0.81]}, **{asked.name: value})
    assert claim(Evidence.load(folder), "lenet", "resnet18", asked).verdict == verdict


def test_what_an_accuracy_takes_is_compared_where_every_run_reaches_it(make_results, tmp_path):
    def on_the_way(seconds):
        return [
            {"epoch": epoch, "seconds": epoch * seconds, "accuracy": 0.4 * epoch}
            for epoch in (1, 2)
        ]

    for model, seconds in (("lenet", 1.0), ("resnet18", 3.0)):
        folder = make_results(tmp_path, {model: [0.8, 0.8]}, evaluations=on_the_way(seconds))
    found = Evidence.load(folder)
    seconds_to = claim(found, "lenet", "resnet18", metric("seconds_to_0.7"))
    assert seconds_to.means == (2, 6)
    assert seconds_to.verdict == SUPPORTED
    assert claim(found, "lenet", "resnet18", metric("flops_to_0.3")).means == (5e8, 5e8)
    with pytest.raises(UsageError, match=r"lenet did not reach .* 0.9 in 2 of 2 runs"):
        claim(found, "lenet", "resnet18", metric("seconds_to_0.9"))


def test_speeds_of_different_devices_are_not_compared(make_results, tmp_path):
    make_results(tmp_path, {"lenet": [0.8]}, device="a laptop")
    found = Evidence.load(make_results(tmp_path, {"resnet18": [0.8]}, device="a server"))
    with pytest.raises(UsageError, match="different devices"):
        claim(found, "lenet", "resnet18", METRICS["examples_per_sec"])
    relative = claim(found, "lenet", "resnet18", METRICS["relative_speed"])
    assert relative.difference.interval.estimate == 0


def test_classes_on_which_the_nets_differ_are_named(make_results, tmp_path, monkeypatch):
    found = Evidence.load(make_results(tmp_path, {"lenet": BETTER, "resnet18": BETTER}))
    own = {name: each.correct.copy() for name, each in found.accuracies.trainings.items()}
    own["lenet"][:, found.labels.true == 1] = False
    monkeypatch.setattr(Evidence, "correct", lambda self, model: own[model])
    first, second, last = by_class(found, "lenet", "resnet18")
    assert not first.differs
    assert not second.differs
    assert (last.name, last.differs, last.means[0]) == ("dog", True, 0.0)


def test_the_verb_gives_verdict_and_a_sentence_to_quote(make_results, tmp_path, capsys):
    make_results(tmp_path, {"lenet": BETTER, "resnet18": WORSE})
    options = ["lenet", "resnet18", "--dataset", "cifar10", "--results", tmp_path]
    status, text = asked(capsys, *options, "--by", "class")
    assert status == 0
    assert "verdict: supported\n" in text
    sentence = next(line for line in text.splitlines() if line.startswith('"'))
    for fact in ("cifar10", "protocol small", "3 seeds", "3,000 test images", "commit abc"):
        assert fact in sentence
    assert "| ship " in text
    status, text = asked(capsys, "resnet18", "lenet", *options[2:])
    assert status == 0
    assert "verdict: not supported" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet", "resnet17"], "did you mean"),
        (["lenet", "vgg11"], "vgg11 has no finished run"),
        (["lenet", "lenet"], "compared with itself"),
        (["lenet", "resnet18", "--metric", "acuracy"], "did you mean accuracy"),
        (["lenet", "resnet18", "--metric", "seconds_to_90"], "must be a fraction"),
        (["lenet", "resnet18", "--metric", "test_mean_iou"], "has no mean IoU in 1 of 1 runs"),
        (["lenet", "resnet18", "--metric", "seconds_to_0.5"], "evaluate_every"),
        (["lenet", "resnet18", "--by", "colour"], "choose class"),
        (["lenet", "resnet18", "--by", "class"], "left no predictions"),
        (["lenet", "resnet18", "--protocol", "smal"], "did you mean small"),
        (["lenet", "resnet18", "--margin", "0"], "--margin must be above 0"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    make_results, tmp_path, capsys, arguments, message
):
    make_results(tmp_path, {"lenet": [0.8], "resnet18": [0.7]}, with_predictions=False)
    status, text = asked(capsys, *arguments, "--dataset", "cifar10", "--results", tmp_path)
    assert status == 2
    assert message in text.splitlines()[-1]


def test_several_protocols_have_to_be_told_apart(make_results, tmp_path):
    folder = make_results(tmp_path, {"lenet": [0.8]})
    assert find(tmp_path, "cifar10", "auto") == folder
    (folder.parent / "other" / "runs").mkdir(parents=True)
    (folder.parent / "other" / "runs" / "x.json").write_text("{}")
    with pytest.raises(UsageError, match="choose a PROTOCOL"):
        find(tmp_path, "cifar10", "auto")
    with pytest.raises(UsageError, match="no records of fashion_mnist"):
        find(tmp_path, "fashion_mnist", "auto")
