import matplotlib.pyplot as plt

from benchmarks.report import plots
from tests.benchmarks.report.figures import predictions_of, words
from tests.benchmarks.report.frames import crowd
from tests.benchmarks.results import CLASSES


def test_predictions_have_a_panel_for_each_of_the_best_nets():
    rows = crowd(10, 2)
    kept = predictions_of(rows)
    for name, figure in plots.of_predictions(rows, kept):
        titles = [axes.get_title().split()[0] for axes in figure.axes]
        assert titles == [f"net{number:02}" for number in reversed(range(2, 10))], name
        assert "the best 8 of 10 nets" in " ".join(words(figure))
    assert not dict(plots.of_predictions(rows, {}))
    plt.close("all")


def test_the_panels_show_shares_of_a_true_class_and_the_error():
    rows = crowd(1, test_accuracy=0.7)
    kept = predictions_of(rows)
    found = dict(plots.of_predictions(rows, kept))
    (run,) = kept["net00"]
    right = [100 * run.correct[run.labels.true == own].mean() for own in range(3)]
    shares = {f"{share:.0f}" for own in right for share in (own, 100 - own)}
    assert {"net00  0.700", *shares, *CLASSES} <= words(found["confusion"])
    # Confidence .9, accuracy .7; .9 is kept in half precision.
    assert any(text.startswith("ECE 0.200 ±") for text in words(found["calibration"]))
    assert any(text.endswith("overconfident") for text in words(found["calibration"]))
    plt.close("all")
