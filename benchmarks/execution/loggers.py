"""The loggers of Lightning that a sweep can use, each with a log a run."""

import logging
import os
import shlex
import threading
from functools import cache
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from benchmarks.planning.options import MLFLOW, TENSORBOARD, WANDB
from benchmarks.planning.plan import RunSpec
from benchmarks.records.artifacts import run_name

PROJECT = "cnn-benchmarks"  # in Weights & Biases

_SECONDS_TO_CONNECT = 30.0
_SECONDS_TO_FLUSH = 5  # so that curves are seen while a run trains


class Loggers:
    """Makes the logger of a run, and closes it.

    TensorBoard: a folder of events a run. MLflow: the server that MLFLOW_TRACKING_URI names, or
    else an SQLite file; its own store of plain files is deprecated. Weights & Biases: its server if
    the user is logged in, or else files that `wandb sync` uploads.

    Args:
        name: one of LOGGERS with a package of its own, which is imported.
        folder: of the logs, an absolute path.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        if name == TENSORBOARD:
            import torch.utils.tensorboard  # noqa: F401, so that a broken one is found at once

            _leave_errors_to_callers()
            self.viewer = f"tensorboard --logdir {shlex.quote(str(folder))}"
        elif name == MLFLOW:
            self._open_mlflow()
        elif name == WANDB:
            self._open_wandb()
        else:
            raise ValueError(f"no logger {name!r}")

    def folder_of(self, spec: RunSpec) -> Path:
        return self.folder / spec.folder / run_name(spec)

    def make(self, spec: RunSpec) -> Logger:
        """The logger of a run, whose folder is new; an earlier run of that name is replaced.

        A project of Weights & Biases keeps earlier runs.
        """
        comparison, name = spec.folder.as_posix(), run_name(spec)
        if self.name == TENSORBOARD:
            return TensorBoardLogger(
                self.folder, comparison, name, default_hp_metric=False, flush_secs=_SECONDS_TO_FLUSH
            )
        if self.name == MLFLOW:
            return self._make_mlflow(comparison, name)
        return WandbLogger(
            name=name,
            project=PROJECT,
            save_dir=self.folder_of(spec),
            group=comparison,
            mode=self._mode,
            reinit="create_new",  # several runs may be in progress
            settings=self._settings,
        )

    def finish(self, logger: Logger, figures: dict[str, float], step: int) -> None:
        """Log what a run ended with."""
        if isinstance(logger, TensorBoardLogger):
            # Its table of hyperparameters shows runs with such figures alone.
            logger.log_hyperparams(logger.hparams, figures, step)
        else:
            logger.log_metrics(figures, step)

    def close(self, logger: Logger, status: str) -> None:
        """Write what is pending.

        Args:
            logger: of a run.
            status: success, failed or killed.
        """
        # TensorBoard writes hyperparameters of a success alone.
        is_tensorboard = isinstance(logger, TensorBoardLogger)
        logger.finalize("success" if is_tensorboard or status == "success" else status.upper())
        if isinstance(logger, WandbLogger):
            logger.experiment.finish(0 if status == "success" else 1)

    def _open_mlflow(self) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        local = f"sqlite:///{self.folder / 'mlflow.db'}"
        self._uri = os.environ.get("MLFLOW_TRACKING_URI") or local
        self._artifacts = (self.folder / "artifacts").as_uri() if self._uri == local else None
        self._client = MlflowClient(self._uri)
        self.viewer = f"mlflow ui --backend-store-uri {shlex.quote(self._uri)}"

    def _make_mlflow(self, comparison: str, name: str) -> Logger:
        if experiment := self._client.get_experiment_by_name(comparison):
            same_name = f"attributes.run_name = '{name}'"
            for run in self._client.search_runs([experiment.experiment_id], same_name):
                self._client.delete_run(run.info.run_id)
        return MLFlowLogger(
            comparison, name, tracking_uri=self._uri, artifact_location=self._artifacts
        )

    def _open_wandb(self) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        self._mode = None if wandb.login(prompt=False) else "offline"
        uploads = f"wandb sync {shlex.quote(str(self.folder))}/*/*/*/wandb/offline-run-*"
        self.viewer = uploads if self._mode else "https://wandb.ai"
        # The output and the load of this process are not those of a run.
        self._settings: Any = wandb.Settings(
            silent=True, console="off", x_disable_stats=True, init_timeout=_SECONDS_TO_CONNECT
        )


@cache
def _leave_errors_to_callers() -> None:
    """Print no error of TensorBoard's writing thread: its next caller raises it."""
    print_error = threading.excepthook

    def hook(error: threading.ExceptHookArgs) -> None:
        if not type(error.thread).__module__.startswith("tensorboard."):
            print_error(error)

    threading.excepthook = hook
