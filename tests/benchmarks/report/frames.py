"""Rows of results, as read from CSV, and the cells of a table."""

import io

import numpy as np
import pandas as pd

from benchmarks.records.record import COLUMNS, OK

MEASURED = {
    "parameters": 61_706,
    "macs": 416_520,
    "loss": 0.5,
    "train_accuracy": 0.8,
    "test_accuracy": 0.75,
    "examples_per_sec": 1_234.5,
    "examples_per_sec_q1": 1_100.0,
    "examples_per_sec_q3": 1_400.0,
    "peak_memory_mb": 98.7,
    "relative_speed": 0.1234,
    "reference_drift": 0.01,
    "loop_efficiency": 0.987,
    "bound_by": "net",
    "fit_seconds": 12.3,
    "data_source": "CIFAR-10 in small",
}


ROW = {
    **{"dataset": "cifar10", "task": "classification", "protocol": "small", "status": OK},
    **{"micro_batches": 1, "resumed": 0, "jobs": 1, "device": "cpu", "torch_version": "2.0.1"},
    **{"commit": "abc", "protocol_digest": "new", "data_digest": "images"},
    **{"device_type": "cpu", "devices": 1, "num_nodes": 1},
    "finished_at": "2026-01-01T00:00:00+00:00",
}


def frame(*others, **shared):
    """Two seeds of LeNet, one of ResNet-18, and other runs; as read from CSV."""
    runs = [
        {"model": "lenet", "seed": 0, "test_accuracy": 0.7},
        {"model": "lenet", "seed": 1, "test_accuracy": 0.8},
        {"model": "resnet18", "seed": 0, "test_accuracy": 0.9},
        *({"model": "googlenet", "seed": 0, **other} for other in others),
    ]
    rows = pd.DataFrame([ROW | MEASURED | run | shared for run in runs], columns=COLUMNS)
    return pd.read_csv(io.StringIO(rows.to_csv(index=False)))


def cells(markdown):
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


def in_one_line(markdown):
    """The text without its line breaks."""
    return " ".join(markdown.split())


def rows_of(markdown, model):
    """The rows of a model, which may have one for each number of devices."""
    lines = next(part for part in markdown.split("\n\n") if part[0] == "|").splitlines()
    return [
        row
        for line in lines[2:]
        for name, row in cells("\n".join([*lines[:2], line])).items()
        if name == model
    ]


def varied(field, values, **others):
    """Two seeds of LeNet and of ResNet-18 at each value of a field."""
    runs = [
        ROW
        | MEASURED
        | {"model": model, "seed": seed, "varied": field, "varied_value": value}
        | {
            "test_accuracy": base + 0.01 * place + 0.001 * seed,
            "peak_memory_mb": 100.0 * place + 50,
        }
        | others
        for model, base in (("lenet", 0.5), ("resnet18", 0.6))
        for place, value in enumerate(values)
        for seed in (0, 1)
    ]
    return pd.DataFrame(runs, columns=COLUMNS)


def crowd(nets, seeds=1, **columns):
    """Nets of which the later are better, and slower but for the first."""
    rows = pd.concat([frame().iloc[:1]] * nets * seeds, ignore_index=True)
    number, seed = np.divmod(np.arange(len(rows)), seeds)
    shares = 0.5 + 0.4 * (1 + number) / nets + 0.002 * seed
    found = rows.assign(
        model=[f"net{each:02}" for each in number],
        key=[f"{each}-{s}" for each, s in zip(number, seed, strict=True)],
        seed=seed,
        train_accuracy=shares + 0.01,
        test_accuracy=shares,
        examples_per_sec=np.where(number == 0, 1.0, 10.0 * (nets - number)),
        macs=1e6 * (1 + number),
        parameters=1e6 * (1 + number) ** 2,
        fit_seconds=10.0 * (1 + number),
        train_flops=1e12 * (1 + number),
        epochs=3,
    )
    return found.assign(**columns)


def curves_of(rows, epochs=3):
    steps = [
        rows.assign(epoch=epoch, loss=3 / epoch, train_accuracy=rows["train_accuracy"] * epoch / 3)
        for epoch in range(1, epochs + 1)
    ]
    return pd.concat(steps)[["task", "seed", "epoch", "loss", "train_accuracy", "key"]]


def evaluations_of(rows):
    steps = [
        rows.assign(
            epoch=epoch,
            seconds=rows["fit_seconds"] * epoch / 3,
            accuracy=rows["test_accuracy"] * epoch / 3,
        )
        for epoch in (1, 2, 3)
    ]
    return pd.concat(steps)[["task", "seed", "epoch", "seconds", "accuracy", "key"]]
