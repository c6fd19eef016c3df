"""The runs of a sweep in TensorBoard, MLflow, or Weights & Biases.

The process of the sweep logs what runs report and record; that of a run knows no logger. So no log
call is in a timed loop, keys and records do not depend on it, and it serves every executor.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from lightning.pytorch.loggers import Logger

from benchmarks.errors import UsageError
from benchmarks.execution.local import last_line
from benchmarks.execution.loggers import Loggers
from benchmarks.machine import environment, process_settings
from benchmarks.planning.fingerprint import digest
from benchmarks.planning.plan import RunSpec
from benchmarks.records.record import OK, RunRecord
from benchmarks.records.storage import check_writable, write_atomic
from benchmarks.training.stage import Stage

Epochs = list[dict[str, float]]

# The file in the folder of a log that is complete; it holds a hash of the record.
_COMPLETE = "complete"


@dataclass
class _Log:
    """The log of a run in progress, and the epochs that are in it."""

    logger: Logger
    epochs: Epochs = field(default_factory=list)


class RunLogs:
    """Logs settings, epochs, and the scores, costs and speeds of the record, of each run.

    Epochs are logged while the run trains, if its executor has its reports. A run that is done
    again, or whose training starts again, replaces its log. A logger that fails for a run is
    reported in a line, and the run goes on without.

    Args:
        name: of the logger.
        results: the folder of results; logs lie in `logs/<name>/<dataset>/<protocol>/<run>/`.
        specs: the runs.

    Raises:
        UsageError: the logger cannot be opened.
    """

    def __init__(self, name: str, results: Path, specs: Iterable[RunSpec]) -> None:
        folder = (results / "logs" / name).absolute()
        check_writable(folder)
        process_settings.quieten()
        try:
            self._loggers = Loggers(name, folder)
        except Exception as error:  # of the package
            raise UsageError(f"--logger {name} cannot be opened: {_reason(error)}") from None
        self._specs = {spec.key: spec for spec in specs}
        self._logs: dict[str, _Log] = {}
        self._failed: set[str] = set()
        self._commit = environment.commit()

    def __str__(self) -> str:
        return f"logger {self._loggers.name}: `{self._loggers.viewer}` shows the runs"

    def __enter__(self) -> "RunLogs":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for key in list(self._logs):  # of runs that were interrupted
            self._attempt(self._specs[key], lambda spec: self._close(spec, "killed"))

    def update(self, stages: Mapping[str, Stage]) -> None:
        """Log the epochs that runs in progress, by key, have reported since."""
        for key, stage in stages.items():
            if stage.history:
                self._attempt(self._specs[key], self._log_epochs, list(stage.history))

    def ended(self, spec: RunSpec, record: RunRecord) -> None:
        """Log a record, unless its log is complete."""
        self._attempt(spec, self._log_record, record)

    def _attempt(self, spec: RunSpec, log: Callable[..., None], *args: Any) -> None:
        if spec.key in self._failed:
            return
        try:
            log(spec, *args)
        except Exception as error:  # of the package
            self._failed.add(spec.key)
            self._logs.pop(spec.key, None)
            problem = f"{self._loggers.name} failed: {_reason(error)}"
            print(f"benchmarks: {spec.title} is not logged further: {problem}", file=sys.stderr)

    def _log_epochs(self, spec: RunSpec, epochs: Epochs) -> None:
        log = self._logs.get(spec.key)
        # A training that starts again, as in smaller micro-batches, has other epochs.
        if log is None or log.epochs[: len(epochs)] != epochs[: len(log.epochs)]:
            log = self._open(spec)
        for scores in epochs[len(log.epochs) :]:
            figures = {name: value for name, value in scores.items() if name != "epoch"}
            log.logger.log_metrics(figures, step=int(scores["epoch"]))
            log.epochs.append(scores)

    def _log_record(self, spec: RunSpec, record: RunRecord) -> None:
        complete = self._loggers.folder_of(spec) / _COMPLETE
        content = digest(record.to_dict())
        if complete.exists() and complete.read_text() == content:
            return
        if record.history:
            self._log_epochs(spec, record.history)
        log = self._logs.get(spec.key) or self._open(spec)
        if record.status == OK:
            self._loggers.finish(log.logger, _figures(record), step=record.setup.epochs)
        self._close(spec, "success" if record.status == OK else "failed")
        write_atomic(complete, content)

    def _open(self, spec: RunSpec) -> _Log:
        if spec.key in self._logs:
            self._close(spec, "killed")
        folder = self._loggers.folder_of(spec)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        log = _Log(self._loggers.make(spec))
        named = {name: getattr(spec, name) for name in ("model", "dataset", "seed", "device")}
        named |= {"protocol": spec.protocol_name, "commit": self._commit}
        log.logger.log_hyperparams(named | spec.training_inputs["protocol"])
        self._logs[spec.key] = log
        return log

    def _close(self, spec: RunSpec, status: str) -> None:
        self._loggers.close(self._logs.pop(spec.key).logger, status)


def _reason(error: BaseException) -> str:
    """The first cause of an error, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return last_line(error).partition("\n")[0]


def _figures(record: RunRecord) -> dict[str, float]:
    """The numbers that a run ended with, by the names of results.csv, but for those of epochs."""
    parts = (record.scores, record.cost, record.speed, record.resources)
    found = {f.name: getattr(part, f.name) for part in parts for f in fields(part)}
    logged = record.history[-1] if record.history else {}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, int | float) and name not in logged
    }
