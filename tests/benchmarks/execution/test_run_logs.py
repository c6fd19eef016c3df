"""What loggers are told, read back from the files that they wrote."""

import math
from dataclasses import fields, replace
from importlib.util import find_spec

import pytest
import yaml

from benchmarks.errors import UsageError
from benchmarks.execution import sweep as sweeps
from benchmarks.execution.run_logs import RunLogs
from benchmarks.planning import options
from benchmarks.planning.options import LOGGERS
from benchmarks.planning.plan import RunOptions
from benchmarks.planning.sweep_config import SweepConfig
from benchmarks.records.artifacts import run_name
from benchmarks.records.record import FAILED, OK
from benchmarks.records.storage import open_folder
from benchmarks.records.store import RecordStore
from benchmarks.training.stage import TRAINING, Stage
from tests.benchmarks.conftest import InThisProcess
from tests.runs import numbers, record_of

EPOCHS = [
    {"epoch": 1, "loss": 2.0, "train_accuracy": 0.25},
    {"epoch": 2, "loss": 1.5, "train_accuracy": 0.5},
]


def read_tensorboard(results, spec):
    """The settings of a run, and its figures by name: pairs of step and value."""
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = results / "logs" / "tensorboard" / spec.folder / run_name(spec)
    events = EventAccumulator(str(folder)).Reload()
    figures = {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    return yaml.safe_load((folder / "hparams.yaml").read_text()), figures


def read_mlflow(results, spec):
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{results.absolute()}/logs/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name(spec.folder.as_posix())
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == run_name(spec)
    figures = {
        name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    return run.data.params, figures


def without_timing(data_dir):
    executor = InThisProcess(RunOptions(data_dir, timing=False))
    executor.timing = False
    return executor


def needs(package):
    reason = f"{package} is not installed"
    return pytest.mark.skipif(find_spec(package) is None, reason=reason)


@pytest.fixture
def log(tmp_path):
    """Logs what a sweep is told of one run: the stages that it reports, then its record."""

    def log(spec, stages, record=None, name="tensorboard"):
        with RunLogs(name, tmp_path, [spec]) as logs:
            for epochs in stages:
                logs.update({spec.key: Stage(TRAINING, history=tuple(epochs))})
            if record is not None:
                logs.ended(spec, record)

    return log


@pytest.mark.parametrize(
    ("name", "read"),
    [
        pytest.param("tensorboard", read_tensorboard, marks=needs("tensorboard")),
        # MLflow takes seconds to import, and to make its database.
        pytest.param("mlflow", read_mlflow, marks=[needs("mlflow"), pytest.mark.slow]),
    ],
)
def test_a_log_says_what_the_record_says(tmp_path, make_spec, monkeypatch, name, read):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    spec, store = make_spec(), RecordStore(tmp_path)
    executor = without_timing(tmp_path)
    for force in (False, True):  # a run that is done again replaces its log
        with RunLogs(name, tmp_path, [spec]) as logs:
            (record,) = sweeps.sweep([spec], store, executor, force, logs)
        settings, figures = read(tmp_path, spec)
        assert settings["model"] == "lenet"
        assert int(settings["seed"]) == 0
        for field in fields(spec.protocol):
            if isinstance(value := getattr(spec.protocol, field.name), int | float | str):
                assert str(settings[field.name]) == str(value), field.name
        assert len(record.history) == 2
        for key in ("loss", "train_accuracy"):
            logged = [(step, pytest.approx(value)) for step, value in figures.pop(key)]
            assert [(epoch["epoch"], epoch[key]) for epoch in record.history] == logged
        row = record.row()
        assert {"test_accuracy", "examples_per_sec", "macs", "fit_seconds"} <= figures.keys()
        for key, points in figures.items():
            assert points == [(2, pytest.approx(row[key], rel=1e-6))], key


@needs("tensorboard")
def test_a_logger_changes_neither_key_nor_record(tmp_path, make_spec):
    spec, executor = make_spec(), without_timing(tmp_path)
    (without,) = sweeps.sweep([spec], RecordStore(tmp_path / "a"), executor)
    store = RecordStore(tmp_path / "b")
    with RunLogs("tensorboard", tmp_path / "b", [spec]) as logs:
        (logged,) = sweeps.sweep([spec], store, executor, logs=logs)
    same = replace(logged, made_in=without.made_in)
    assert numbers(same) == numbers(without)
    assert store.finished(spec) == logged


@needs("tensorboard")
def test_what_has_finished_is_logged_from_its_record_once(tmp_path, make_spec, log):
    spec, store = make_spec(), RecordStore(tmp_path)
    store.write(spec, record_of(spec, history=EPOCHS, test_accuracy=0.5, fit_seconds=1.0,
                                examples_per_sec=1.0))  # fmt: skip
    executor, folder = without_timing(tmp_path), tmp_path / "logs"
    for _ in range(2):
        with RunLogs("tensorboard", tmp_path, [spec]) as logs:
            sweeps.sweep([spec], store, executor, logs=logs)
        _, figures = read_tensorboard(tmp_path, spec)
        assert figures["loss"] == [(1, 2.0), (2, 1.5)]
        assert figures["test_accuracy"] == [(2, 0.5)]
        assert len(list(folder.rglob("events.*"))) == 1


@needs("tensorboard")
def test_epochs_are_logged_once_and_while_the_run_trains(tmp_path, make_spec, log):
    spec = make_spec()
    log(spec, [[], EPOCHS[:1], EPOCHS[:1], EPOCHS, []])  # it was interrupted
    settings, figures = read_tensorboard(tmp_path, spec)
    assert settings["epochs"] == 2
    assert figures == {"loss": [(1, 2.0), (2, 1.5)], "train_accuracy": [(1, 0.25), (2, 0.5)]}

    # The run resumes, and is logged whole; in smaller micro-batches it starts again.
    again = [{**epoch, "loss": epoch["loss"] / 2} for epoch in EPOCHS]
    record = record_of(spec, history=again, test_accuracy=0.75)
    log(spec, [EPOCHS[:1], EPOCHS, again[:1]], record)
    _, figures = read_tensorboard(tmp_path, spec)
    assert figures["loss"] == [(1, 1.0), (2, 0.75)]
    assert figures["test_accuracy"] == [(2, 0.75)]


@needs("tensorboard")
def test_a_loss_that_is_not_finite_is_logged(tmp_path, make_spec, log):
    spec = make_spec()
    log(spec, [], record_of(spec, status=FAILED, history=[{"epoch": 1, "loss": math.nan}]))
    _, figures = read_tensorboard(tmp_path, spec)
    ((step, value),) = figures["loss"]
    assert step == 1
    assert math.isnan(value)


@needs("tensorboard")
@pytest.mark.parametrize(
    "method",
    [
        "lightning.pytorch.loggers.TensorBoardLogger.log_hyperparams",
        "lightning.pytorch.loggers.TensorBoardLogger.finalize",
        "tensorboard.summary.writer.event_file_writer.RecordWriter.write",  # in its thread
    ],
)
def test_a_logger_that_fails_loses_no_run(tmp_path, make_spec, monkeypatch, capsys, method):
    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(method, fail)
    spec, store = make_spec(), RecordStore(tmp_path)
    store.write(spec, record_of(spec, history=EPOCHS, test_accuracy=0.5, fit_seconds=1.0,
                                examples_per_sec=1.0))  # fmt: skip
    executor = without_timing(tmp_path)
    with RunLogs("tensorboard", tmp_path, [spec]) as logs:
        logs.update({spec.key: Stage(TRAINING, history=tuple(EPOCHS))})
        (record,) = sweeps.sweep([spec], store, executor, logs=logs)
    assert record.status == OK
    assert capsys.readouterr().err == (
        "benchmarks: lenet (seed 0) is not logged further: tensorboard failed: "
        "OSError: No space left on device\n"
    )


@pytest.mark.parametrize("name", LOGGERS[1:])
def test_a_logger_that_is_not_installed_is_refused_before_any_run(monkeypatch, name):
    monkeypatch.setattr(options, "find_spec", lambda package: None)
    with pytest.raises(UsageError, match=rf"{name} is not installed; `pip install '\.\[{name}\]'`"):
        SweepConfig(logger=name).resolved()


def test_a_logger_that_cannot_be_served_is_refused(tmp_path):
    with pytest.raises(UsageError, match="unknown logger 'tensorbord'; did you mean tensorboard"):
        SweepConfig(logger="tensorbord")
    with pytest.raises(UsageError, match="--results is a URL"):
        SweepConfig(logger="tensorboard", results=open_folder("memory://results"))
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(UsageError, match="cannot be written"):
        RunLogs("tensorboard", tmp_path, [])
