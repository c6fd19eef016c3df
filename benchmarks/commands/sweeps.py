"""Verbs that train, or use what was trained: `data`, `run` and `predict`."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import datamodules
from benchmarks.commands.models import name_broken_files
from benchmarks.commands.studies import study
from benchmarks.records.storage import check_writable, write_atomic
from datamodules import DataError

if TYPE_CHECKING:
    from benchmarks.execution.run_logs import RunLogs
    from benchmarks.planning.plan import RunSpec
    from benchmarks.planning.sweep_config import SweepConfig


def data(args: Namespace) -> int:
    from benchmarks.planning.sweep_config import SweepConfig
    from datamodules.contact_sheet import contact_sheet
    from datamodules.summary import summary

    config = SweepConfig(
        dataset=args.dataset,
        skip_damaged=args.skip_damaged,
        protocol=args.protocol,
        results=args.results,
    )
    dataset = datamodules.load(config.data, args.data_dir)
    print(summary(dataset))
    sheet = config.folder.parent / "contact_sheet.png"
    check_writable(sheet.parent)
    write_atomic(sheet, contact_sheet(dataset, args.protocol.image_size))
    print(f"written to {sheet}")
    return 0


def run(args: Namespace) -> int:
    from benchmarks.commands.layers import write_layers
    from benchmarks.execution import followers, rendezvous
    from benchmarks.execution.budget import within_budget
    from benchmarks.execution.executor import make_executor
    from benchmarks.execution.sweep import Interrupted, sweep
    from benchmarks.machine import environment
    from benchmarks.planning.plan import plan
    from benchmarks.records.record import OK
    from benchmarks.records.store import RecordStore
    from benchmarks.report.rebuild import rebuild as rebuild_report

    config = args.config.resolved()
    name_broken_files()
    node_rank = rendezvous.node_rank(config.placement.num_nodes)
    if args.config.protocol is None:
        device = config.placement.device
        print(f"protocol auto: {config.protocol_name}, since the device is {device}")
    if any(recipe.precision == "auto" for recipe in config.recipes):
        print(environment.precision_note(config.placement.device))
    check_writable(config.folder.parent if config.budget else config.folder)
    dataset = datamodules.load(config.data, config.data_dir)
    if (fitted := config.fitted_to(dataset)) is not config:
        print(f"train_examples: {dataset.name} has {len(dataset.train_labels):,}, and all are used")
        config = fitted
    for note in dataset.files.notes if dataset.files else ():
        print(f"{dataset.name}: {note}")
    config = config.check_data(dataset)
    store, executor = RecordStore(config.results), make_executor(config)
    config, expected = within_budget(config, dataset, store, executor)
    specs = plan(config, dataset)
    if datamodules.is_path(config.dataset) and store.has_other_data(specs[0]):
        print(
            f"{config.folder} has runs on other images of this name too; its table shows the "
            "newest images alone, and another results folder keeps both tables"
        )
    if node_rank > 0:
        records = followers.follow(specs, store, executor)
        return 0 if all(record.status == OK for record in records) else 1
    try:
        with _logs(config, specs) as logs, followers.leading(config.placement.num_nodes):
            records = sweep(specs, store, executor, config.force, logs, expected=expected)
    except Interrupted:
        if list((config.folder / "runs").glob("*.json")):
            print(f"\n{rebuild_report(config.folder)}")
        raise
    write_layers(config.folder)
    print(f"\n{rebuild_report(config.folder)}")
    is_well = args.study is None or study(args) == 0
    return 0 if is_well and all(record.status == OK for record in records) else 1


@contextmanager
def _logs(config: "SweepConfig", specs: "list[RunSpec]") -> "Iterator[RunLogs | None]":
    """The logs of a sweep, if it has a logger."""
    from benchmarks.planning.options import CSV

    if config.logger == CSV:
        yield None
        return
    from benchmarks.execution.run_logs import RunLogs

    with RunLogs(config.logger, config.results, specs) as logs:
        print(logs)
        yield logs


def predict(args: Namespace) -> int:
    from benchmarks import trained

    unreadable = []
    for prediction in trained.predict(args.record, args.images):
        if isinstance(prediction, DataError):
            unreadable.append(str(prediction))
        else:
            print(f"{prediction.path}: {prediction.name} {prediction.confidence:.3f}", flush=True)
    if unreadable:
        raise DataError("; ".join(unreadable))
    return 0
