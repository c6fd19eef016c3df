"""Checks of what a person asked for that concern several rooms, or a whole sweep."""

from typing import TYPE_CHECKING

import datamodules
from benchmarks.errors import UsageError, check_known

if TYPE_CHECKING:
    from benchmarks.planning.sweep_config import SweepConfig


def check_dataset(dataset: str) -> None:
    """Check that this is the name of a dataset, or the path of images.

    Raises:
        UsageError: it is neither.
    """
    if not datamodules.is_path(dataset):
        check_known("dataset", dataset, datamodules.NAMES)


def check_task(model: str, dataset: str) -> None:
    """Check that a model is for the task of the dataset.

    Raises:
        UsageError: it is for another; the message names models that fit.
    """
    import lit_models

    task = datamodules.task(dataset)
    if (own := lit_models.entry(model).task) != task:
        fitting = ", ".join(lit_models.canonical_names(task))
        raise UsageError(f"{model} is for {own}; {dataset} is for {task}: try {fitting}")


def check_budget(config: "SweepConfig") -> None:
    """Check that a sweep with a budget is one whose time a few steps here can tell.

    Raises:
        UsageError: it is not.
    """
    if config.budget is None:
        return
    if config.executor != "local":
        raise UsageError("--budget times this machine, and serves --executor local alone")
    if config.placement.ranks > 1 or config.jobs not in (None, 1):
        raise UsageError("--budget serves one run at a time on one device; drop --jobs, --devices")
    if config.vary and config.vary.field == "train_examples":
        raise UsageError("--budget chooses train_examples, so that --vary cannot vary it")
