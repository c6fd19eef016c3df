"""The order of the rows of a comparison: the same in every table, plot and page."""

import numpy as np
import pandas as pd

from benchmarks.records.record import OK
from benchmarks.report.comparable import labels

# The first that was measured orders the rows; a segmentation also has an accuracy, of pixels.
SCORES = ("test_mean_iou", "validation_mean_iou", "test_accuracy", "validation_accuracy")


def score(rows: pd.DataFrame) -> str:
    """The column by which rows stand; `test_accuracy` where nothing was measured."""
    done = rows[rows["status"] == OK]
    return next((each for each in SCORES if done[each].notna().any()), "test_accuracy")


def in_order(rows: pd.DataFrame) -> list[str]:
    """The labels of the rows of a table, the best first and those without any score last.

    Where a field is varied, its values stay together and in order, and the models stand by their
    best value.

    Args:
        rows: runs of one table, as `comparable.comparable` returns them.
    """
    scores = rows[score(rows)].where(rows["status"] == OK)
    own = pd.DataFrame({"label": labels(rows), "score": scores.astype(float)})
    if rows["varied"].notna().any():
        own["model"] = rows["model"]
        means = own.groupby(["model", "label"], sort=False)["score"].mean()
        best = means.groupby("model").transform("max")
    else:
        best = own.groupby("label", sort=False)["score"].mean()
    places = np.argsort(-best.fillna(-np.inf).to_numpy(), kind="stable")
    return best.index.get_level_values("label")[places].tolist()
