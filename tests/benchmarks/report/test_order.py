import numpy as np
import pandas as pd
import pytest

from benchmarks.records.record import FAILED
from benchmarks.report.comparable import comparable
from benchmarks.report.order import in_order, score
from tests.benchmarks.report.frames import frame, varied


def test_the_best_mean_is_first_and_rows_without_a_score_last():
    rows = frame({"status": FAILED, "test_accuracy": None}, {"model": "nin", "test_accuracy": 0.8})
    assert in_order(comparable(rows)) == ["resnet18", "nin", "lenet", "googlenet"]


def test_a_run_that_failed_lends_no_score():
    rows = frame({"status": FAILED, "test_accuracy": 0.99})
    assert in_order(comparable(rows))[-1] == "googlenet"


def test_values_of_a_varied_field_stay_together_and_in_order():
    rows = varied("batch_size", [256, 16])
    best = (rows["model"] == "lenet") & (rows["varied_value"] == 256)
    rows["test_accuracy"] = rows["test_accuracy"].mask(best, 0.99)
    labels = [f"{model}, batch size {n}" for model in ("lenet", "resnet18") for n in (16, 256)]
    assert in_order(comparable(rows)) == labels


@pytest.mark.parametrize("measured", ["test_mean_iou", "validation_accuracy"])
def test_another_score_orders_the_rows_where_it_was_measured(measured):
    rows = frame()
    rows[measured] = np.array([0.9, 0.8, 0.1])
    if measured == "validation_accuracy":
        rows["test_accuracy"] = np.nan
    assert score(rows) == measured
    assert in_order(rows) == ["lenet", "resnet18"]


def test_the_order_of_the_runs_does_not_matter():
    rows = comparable(frame({"test_accuracy": 0.85}))
    shuffled = pd.concat([rows.iloc[[2]], rows.iloc[[0]], rows.iloc[[3]], rows.iloc[[1]]])
    assert in_order(shuffled) == in_order(rows)
