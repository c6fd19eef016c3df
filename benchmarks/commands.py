"""What the verbs do. Only those that draw or train import what that takes."""

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from jsonargparse import Namespace

import datamodules
import lit_models
from benchmarks import studies
from benchmarks.errors import UsageError
from benchmarks.machine import environment
from benchmarks.records.storage import check_writable, write_atomic
from datamodules import DataError

if TYPE_CHECKING:
    from benchmarks.execution.executor import Executor

# Errors that are answered in one line: the message says what was wrong and what to do.
FORESEEN = (UsageError, lit_models.ModelError, DataError)


def list_models(args: Namespace) -> int:
    for name in lit_models.names():
        entry = lit_models.entry(name)
        mark = "*" if entry.canonical else " "
        print(f"{mark} {name:18} {entry.task:14} from {entry.min_size:>2} px  {entry.summary}")
    print("\n* stands for its architecture in MODELS=all, on datasets for its task")
    return 0


def describe(args: Namespace) -> int:
    from lit_models.analysis import model_summary

    for option in ("image_size", "channels", "classes"):
        if args[option] is not None and args[option] < 1:
            raise UsageError(f"--{option.replace('_', '-')} must be at least 1")
    if bool(args.model) == args.all:
        raise UsageError("describe takes the name of a model, or --all")
    published = lit_models.entry(args.model).published if args.model else None
    shape = {"in_channels": 1, "num_classes": 10, "image_size": 224}
    if published:
        shape = {name: getattr(published, name) for name in shape}
    asked = {
        "in_channels": args.channels,
        "num_classes": args.classes,
        "image_size": args.image_size,
    }
    shape |= {name: value for name, value in asked.items() if value is not None}
    if args.model:
        print(model_summary.card(args.model, **shape))
        return 0
    folder = args.results / "models"
    check_writable(folder)
    rows = model_summary.comparison(**shape)
    if rows.empty:
        raise UsageError(f"no model takes images of {shape['image_size']} px")
    table = model_summary.comparison_table(rows, **shape)
    write_atomic(folder / "models.csv", rows.to_csv(index=False))
    write_atomic(folder / "table.md", table + "\n")
    print(f"{table}\nwritten to {folder}")
    return 0


def data(args: Namespace) -> int:
    dataset = datamodules.load(args.dataset, args.data_dir)
    train, test = len(dataset.train_labels), len(dataset.test_labels)
    print(f"{dataset.source}: {train:,} training and {test:,} test images, verified")
    return 0


def run(args: Namespace) -> int:
    from benchmarks.execution import followers, rendezvous
    from benchmarks.execution.sweep import Interrupted, sweep
    from benchmarks.planning.plan import check_task, plan, settings_by_model
    from benchmarks.records.record import OK, RecordStore
    from benchmarks.report.rebuild import rebuild as rebuild_report

    if args.executor == "ray" and find_spec("ray") is None:
        raise UsageError("the executor ray needs Ray; install it by `pip install ray`")
    everything = args.protocol.models or None
    models = lit_models.select(_patterns(args), everything, datamodules.TASKS[args.dataset])
    check_task(models, args.dataset)
    settings = settings_by_model(models, args.protocol)
    device = _device(args.device, args.executor)
    if args.devices * args.num_nodes > 1 and args.executor != "local":
        raise UsageError("several devices share a run only where --executor is local")
    if args.executor == "local":
        environment.check_devices(device, args.devices)
    node_rank = rendezvous.node_rank(args.num_nodes)
    if (args.jobs or 1) > 1 < args.num_nodes:
        raise UsageError("--jobs must be 1 where several nodes share a run")
    if args.auto:
        print(f"protocol auto: {args.protocol_name}, since the device is {device}")
    folder = args.results / args.dataset / args.protocol_name
    check_writable(folder)
    dataset = datamodules.load(args.dataset, args.data_dir)
    args.protocol.check_examples(len(dataset.train_labels), dataset.name)

    specs = plan(
        settings,
        dataset,
        args.protocol,
        args.protocol_name,
        args.seeds,
        device,
        args.devices,
        args.num_nodes,
        args.strategy,
    )
    store, executor = RecordStore(args.results), _executor(args, device)
    if node_rank > 0:
        records = followers.follow(specs, store, executor)
        return 0 if all(record.status == OK for record in records) else 1
    try:
        with followers.leading(args.num_nodes):
            records = sweep(specs, store, executor, args.force)
    except Interrupted:
        if list((folder / "runs").glob("*.json")):
            print(f"\n{rebuild_report(folder)}\nwritten to {folder}")
        raise
    print(f"\n{rebuild_report(folder)}\nwritten to {folder}")
    if args.study is not None:
        study(args)
    return 0 if all(record.status == OK for record in records) else 1


def auto_protocol(device: str, executor: str = "local") -> str:
    """`standard` where there is an accelerator, `quick` where there is none."""
    return "quick" if _device(device, executor) == "cpu" else "standard"


def _device(name: str, executor: str) -> str:
    """The device type to train on, which a cluster may have though this machine has not."""
    if executor == "ray" and name != "auto":
        return name
    return environment.resolve_device(name)


def _executor(args: Namespace, device: str) -> "Executor":
    limits = {"timeout": args.timeout, "checkpoint_seconds": args.checkpoint_seconds}
    if args.executor == "ray":
        from benchmarks.execution.ray import RayExecutor

        executor = RayExecutor(args.data_dir, device, args.jobs, **limits)
        print(executor)
        return executor
    from benchmarks.execution.local import LocalExecutor

    progress_bar = sys.stdout.isatty()
    jobs = args.jobs or 1
    return LocalExecutor(args.data_dir, jobs=jobs, progress_bar=progress_bar, **limits)


def _patterns(args: Namespace) -> list[str]:
    patterns = [pattern.strip() for pattern in args.models.split(",") if pattern.strip()]
    if not patterns:
        raise UsageError("--models names nothing")
    return patterns


def peers(args: Namespace) -> int:
    from benchmarks.studies.peers import study

    device = environment.resolve_device(args.device)
    folder = args.results / "studies" / "peers"
    check_writable(folder)
    print(study.run(folder, device, args.force, args.data_dir, _patterns(args)))
    print(f"written to {folder}")
    return 0


def study(args: Namespace) -> int:
    device = environment.resolve_device(args.device)
    folder = args.results / "studies" / args.study
    check_writable(folder)
    print(studies.load(args.study).run(folder, device, args.force, args.data_dir))
    print(f"written to {folder}")
    return 0


def rebuild(args: Namespace) -> int:
    from benchmarks.records.record import RecordStore
    from benchmarks.report.rebuild import rebuild as rebuild_report

    comparisons = RecordStore(args.results).folders()
    measured = [args.results / "studies" / name for name in studies.names()]
    measured = [folder for folder in measured if (folder / "results.csv").exists()]
    if not comparisons and not measured:
        raise UsageError(f"no records in {args.results}; `make bench` makes them")
    for folder in measured:
        check_writable(folder)
    for folder in comparisons:
        print(f"{folder}\n\n{rebuild_report(folder)}\n")
    for folder in measured:
        print(f"{folder}\n\n{studies.load(folder.name).rebuild(folder)}\n")
    return 0


def execute(args: Namespace) -> int:
    """Carry out the verb; returns the exit status."""
    verbs = {
        "list": list_models,
        "describe": describe,
        "data": data,
        "run": run,
        "study": study,
        "peers": peers,
        "report": rebuild,
    }
    return verbs[args.verb](args[args.verb])
