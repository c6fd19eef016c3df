"""Results folders with runs of given accuracies."""

import dataclasses

import numpy as np
import pytest

from benchmarks.records.artifacts import Predictions
from benchmarks.records.store import RecordStore
from tests.runs import record_of

CLASSES = ("cat", "dog", "ship")
TRUE = np.arange(3000) % 3
SPEED = {"examples_per_sec": 100.0, "relative_speed": 0.5, "reference_drift": 0.01}
MEASURED = {
    **SPEED,
    **{"parameters": 10, "macs": 1000, "train_flops": 1e9, "loss": 0.5, "commit": "abc"},
    **{"peak_memory_mb": 50.0, "fit_seconds": 3.0, "device": "cpu", "train_accuracy": 0.9},
    "evaluated_examples": len(TRUE),
}
ROUNDS = [0.99, 1.0, 1.01, 0.995, 1.005]


@pytest.fixture
def make_results(make_spec):
    """Writes runs with these accuracies, one a seed, and predictions that have them.

    Returns the folder of the comparison. All nets find the same images easy.
    """

    def make(root, accuracies, with_predictions=True, fields=None, **values):
        for model, of_seeds in accuracies.items():
            for seed, accuracy in enumerate(of_seeds):
                spec = make_spec(model, seed, **(fields or {}))
                own = MEASURED | values
                loop = {"samples": [own["examples_per_sec"] * each for each in ROUNDS]}
                own["samples"] = {"loop": loop} | own.get("samples", {})
                own["test_accuracy"] = accuracy
                record = record_of(spec, **own)
                if with_predictions:
                    kept = predictions(accuracy, model, seed)
                    digests = {
                        "predictions_digest": kept.digest,
                        "labels_digest": kept.labels.digest,
                    }
                    scores = dataclasses.replace(record.scores, **digests)
                    record = dataclasses.replace(record, scores=scores, predictions=kept)
                RecordStore(root).write(spec, record)
        return root / spec.folder

    return make


def predictions(accuracy, model, seed):
    """Predictions of which this fraction is right: of the easiest images, with some luck."""
    generator = np.random.default_rng([seed, *model.encode()])
    difficulty = np.random.default_rng(0).normal(size=len(TRUE))
    order = np.argsort(difficulty + 0.3 * generator.normal(size=len(TRUE)))
    right = np.zeros(len(TRUE), bool)
    right[order[: round(accuracy * len(TRUE))]] = True
    predicted = np.where(right, TRUE, (TRUE + 1) % 3)
    return Predictions.of(predicted, np.full(len(TRUE), 0.9), TRUE, CLASSES)
