"""What figures say, and predictions to draw."""

import matplotlib.pyplot as plt

from tests.benchmarks.results import predictions


def texts(figure):
    """All that is written; ticks beyond the ends of their axis are not drawn."""
    ticks = [
        (tick, sorted(axis.get_view_interval()))
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
    ]
    beyond = [
        label
        for tick, (low, high) in ticks
        if not low <= tick.get_loc() <= high
        for label in (tick.label1, tick.label2)
    ]
    found = figure.findobj(plt.Text)
    return [each for each in found if each.get_visible() and each.get_text() and each not in beyond]


def words(figure):
    return {text.get_text() for text in texts(figure)}


def predictions_of(rows):
    """Predictions with the accuracies of these runs, by model."""
    return {
        model: [
            predictions(run.test_accuracy, model, run.seed) for run in runs.itertuples(index=False)
        ]
        for model, runs in rows.groupby("model")
    }
