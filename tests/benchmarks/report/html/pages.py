"""Comparisons to make pages of, without a training."""

from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.planning.protocol import Protocol
from benchmarks.records import frames
from benchmarks.records.artifacts import run_name, write_predictions
from benchmarks.records.parts import Cost, Environment, Resources, Scores, Setup, Speed
from benchmarks.records.record import FAILED, RunRecord
from benchmarks.report.html.comparison import Comparison
from benchmarks.report.standing import standing
from tests.benchmarks.results import TRUE, predictions

EVIL = "<script>alert(1)</script>"
# Accuracies by seed.
NETS = {"lenet": [0.70, 0.71], "resnet18": [0.80, 0.81], EVIL: [0.75, 0.76]}
COSTS = {
    "lenet": (61_706, 2000.0),
    "resnet18": (11_175_370, 100.0),
    "nin": (1_000_000, 300.0),
    EVIL: (500_000, 500.0),
}


def comparison(folder: Path, nets=NETS) -> Comparison:
    """Runs of these nets, and one that failed with a text that must be escaped."""
    records = [
        _trained(folder, model, seed, accuracy)
        for model, accuracies in nets.items()
        for seed, accuracy in enumerate(accuracies)
    ]
    failed = RunRecord(
        status=FAILED,
        error=f"ValueError: {EVIL} & more",
        finished_at="2026-01-01T00:00:00+00:00",
        setup=setup("vgg11", 0),
        environment=Environment(device="cpu"),
    )
    records.append(failed)
    rows = frames.frame(records)
    return Comparison(folder, records, rows, standing(folder, records, rows))


def setup(model: str, seed: int) -> Setup:
    protocol = Protocol.load("quick", {})
    names = ("image_size", "batch_size", "epochs", "train_examples", "precision", "memory_format")
    settings = asdict(protocol)
    return Setup(
        model=model,
        dataset="cifar10",
        protocol="quick",
        seed=seed,
        key=f"{model}-{seed}",
        device_type="cpu",
        protocol_digest="quick",
        data_digest="images",
        settings=settings,
        **{name: settings[name] for name in names},
    )


def _trained(folder: Path, model: str, seed: int, accuracy: float) -> RunRecord:
    parameters, rate = COSTS[model]
    kept = predictions(accuracy, model, seed)
    scores = Scores(
        loss=1 - accuracy,
        train_accuracy=accuracy,
        test_accuracy=accuracy,
        evaluated_examples=len(TRUE),
        majority_share=1 / 3,
        predictions_digest=kept.digest,
        labels_digest=kept.labels.digest,
    )
    record = RunRecord(
        finished_at=f"2026-01-01T00:00:0{seed}+00:00",
        setup=setup(model, seed),
        scores=scores,
        cost=Cost(parameters=parameters, macs=8 * parameters, train_flops=1e9 * parameters),
        speed=Speed(examples_per_sec=rate + seed),
        resources=Resources(peak_memory_mb=50.0, fit_seconds=1e4 / rate),
        environment=Environment(device="cpu", torch_version="2.0", commit="abc"),
        history=[
            {"epoch": epoch, "loss": 1 / epoch, "train_accuracy": accuracy * epoch / 4}
            for epoch in range(1, 5)
        ],
        evaluations=[
            {"epoch": epoch, "seconds": 1e4 * epoch / rate, "accuracy": accuracy * epoch / 4}
            for epoch in (2, 4)
        ],
    )
    write_predictions(folder, run_name(record.setup), kept)
    return record


def without(comparison: Comparison, is_left_out) -> Comparison:
    """The same without some of its records."""
    records = [record for record in comparison.records if not is_left_out(record)]
    rows = frames.frame(records)
    stands = standing(comparison.folder, records, rows)
    return replace(comparison, records=records, rows=rows, standing=stands)
