"""The verbs: each returns its exit status, and imports only what it needs."""

import sys
import traceback
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import datamodules
import lit_models
from benchmarks import studies
from benchmarks.errors import UsageError
from benchmarks.machine import environment
from benchmarks.planning import recipe
from benchmarks.planning.protocol import AUTO, Protocol
from benchmarks.records.storage import check_writable, write_atomic
from datamodules import DataError

if TYPE_CHECKING:
    from benchmarks.analysis.evidence import Evidence

# Errors that are answered in one line: the message says what was wrong and what to do.
FORESEEN = (UsageError, lit_models.ModelError, DataError)


def list_models(args: Namespace) -> int:
    _name_broken_files()
    for name in lit_models.names():
        entry = lit_models.entry(name)
        mark = "*" if entry.canonical else " "
        print(f"{mark} {name:18} {entry.task:14} from {entry.min_size:>2} px  {entry.summary}")
    print("\n* stands for its architecture in MODELS=all, on datasets for its task")
    return 0


def _name_broken_files() -> None:
    for line in lit_models.broken():
        print(f"benchmarks: a file of nets is left out: {line}", file=sys.stderr)


def describe(args: Namespace) -> int:
    if args.protocol == AUTO:
        raise UsageError(f"{AUTO} is quick on a CPU and standard elsewhere: name one of these")
    protocol = Protocol.load(args.protocol) if args.protocol else None
    if args.yaml:
        if protocol is None or args.model or args.all:
            raise UsageError("--yaml takes --protocol and nothing else: `--protocol quick --yaml`")
        print(recipe.as_yaml(protocol), end="")
        return 0
    if protocol and not (args.model or args.all):
        print(recipe.described(protocol))
        return 0
    return _describe_models(args, protocol)


def _describe_models(args: Namespace, protocol: Protocol | None) -> int:
    from lit_models.analysis import model_summary

    if bool(args.model) == args.all:
        raise UsageError("describe takes the name of a model, or --all, or --protocol")
    shape = {"in_channels": 1, "num_classes": 10, "image_size": 224}
    if args.model and (published := lit_models.entry(args.model.partition("[")[0]).published):
        shape = {name: getattr(published, name) for name in shape}
    if protocol:
        used = protocol.for_model(args.model) if args.model else protocol
        shape["image_size"] = used.image_size
    for name, option in zip(shape, ("channels", "classes", "image_size"), strict=True):
        if (value := getattr(args, option)) is not None:
            if value < 1:
                raise UsageError(f"--{option.replace('_', '-')} must be at least 1")
            shape[name] = value
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
    from benchmarks.execution import followers, rendezvous
    from benchmarks.execution.executor import make_executor
    from benchmarks.execution.sweep import Interrupted, sweep
    from benchmarks.planning.plan import plan
    from benchmarks.records.record import OK
    from benchmarks.records.store import RecordStore
    from benchmarks.report.rebuild import rebuild as rebuild_report

    config = args.config.resolved()
    _name_broken_files()
    node_rank = rendezvous.node_rank(config.placement.num_nodes)
    if args.config.protocol is None:
        device = config.placement.device
        print(f"protocol auto: {config.protocol_name}, since the device is {device}")
    check_writable(config.folder)
    dataset = datamodules.load(config.data, config.data_dir)
    if (fitted := config.fitted_to(dataset)) is not config:
        print(f"train_examples: all {len(dataset.train_labels):,}, more are not in {dataset.name}")
        config = fitted
    for note in dataset.files.notes if dataset.files else ():
        print(f"{dataset.name}: {note}")
    config = config.check_data(dataset)
    specs, store = plan(config, dataset), RecordStore(config.results)
    executor = make_executor(config)
    if node_rank > 0:
        records = followers.follow(specs, store, executor)
        return 0 if all(record.status == OK for record in records) else 1
    try:
        with followers.leading(config.placement.num_nodes):
            records = sweep(specs, store, executor, config.force)
    except Interrupted:
        if list((config.folder / "runs").glob("*.json")):
            print(f"\n{rebuild_report(config.folder)}\nwritten to {config.folder}")
        raise
    print(f"\n{rebuild_report(config.folder)}\nwritten to {config.folder}")
    is_well = args.study is None or study(args) == 0
    return 0 if is_well and all(record.status == OK for record in records) else 1


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


def study(args: Namespace) -> int:
    if args.study == "list":
        for name in studies.names():
            print(f"{name:26} {studies.question(name)}")
        return 0
    names = studies.names() if args.study == "all" else [args.study]
    failed = []
    for name in names:
        if len(names) > 1:
            print(f"\n{name}: {studies.question(name)}", flush=True)
        try:
            if not _study(name, args):
                failed.append(name)
        except Exception as error:
            if len(names) == 1:
                raise
            failed.append(name)
            if isinstance(error, FORESEEN):
                print(f"benchmarks: study {name}: {error}", file=sys.stderr)
            else:
                traceback.print_exc()
    if failed and len(names) > 1:
        print(f"benchmarks: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _study(name: str, args: Namespace) -> bool:
    """Measure one study and show its results; returns whether all went well."""
    from benchmarks.execution.sweep import Interrupted
    from benchmarks.planning.sweep_config import STUDY_OPTIONS
    from benchmarks.studies.base import Context, overview

    device = environment.resolve_device(args.device)
    budget = args.budget or ("quick" if device == "cpu" else "full")
    folder = args.results / "studies" / name
    options = {option: getattr(args, option) for option in STUDY_OPTIONS}
    context = Context(folder, device, args.data_dir, args.force, options)
    one = studies.load(name)
    settings = one.settings(budget, args.settings)
    check_writable(folder)
    try:
        is_well = one.run(settings, context)
    except Interrupted:
        if one.is_measured(folder):
            print(f"\n{one.rebuild(folder)}\nwritten to {folder}")
        raise
    print(f"\n{one.rebuild(folder)}\nwritten to {folder}")
    overview.write(folder.parent)
    return is_well


def rebuild(args: Namespace) -> int:
    from benchmarks.records.store import RecordStore
    from benchmarks.report.rebuild import rebuild as rebuild_report

    comparisons = RecordStore(args.results).folders()
    inside = sorted((args.results / "studies").glob("[!.]*"))
    measured = [
        folder
        for folder in inside
        if (folder / "results.csv").exists() or RecordStore(folder).folders()
    ]
    if not comparisons and not measured:
        raise UsageError(f"no records in {args.results}; `make bench` makes them")
    for folder in comparisons:
        print(f"{folder}\n\n{rebuild_report(folder)}\n")
    return _rebuild_studies(measured) if measured else 0


def _rebuild_studies(folders: list[Path]) -> int:
    from benchmarks.studies.base import overview

    status = 0
    for folder in folders:
        try:
            check_writable(folder)
            print(f"{folder}\n\n{studies.load(folder.name).rebuild(folder)}\n")
        except FORESEEN as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            status = 2
    overview.write(folders[0].parent)
    return status


def claim(args: Namespace) -> int:
    from benchmarks.analysis import by_class, claims, evidence, metrics, wording

    metric = metrics.metric(args.metric)
    if args.by not in (None, "class"):
        raise UsageError(f"BY={args.by} is unknown; choose class")
    if args.margin is not None and not args.margin > 0:
        raise UsageError("--margin must be above 0")
    if args.run:
        folder = _train_claimed(args)
    else:
        folder = evidence.find(args.results, args.dataset, args.protocol)
    found = evidence.Evidence.load(folder)
    a, b = (_with_runs(name, found) for name in (args.a, args.b))
    margin = None if args.margin is None else args.margin / 100
    print(wording.claim_in_words(claims.claim(found, a, b, metric, margin), found))
    if args.by:
        print(f"\n{wording.classes_in_words(by_class.by_class(found, a, b), a, b)}")
    return 0


def _with_runs(name: str, evidence: "Evidence") -> str:
    """The name under which a model has finished runs."""
    model = name if name in evidence.runs else lit_models.entry(name).name
    if model not in evidence.runs:
        known = "; ".join(evidence.runs)
        raise UsageError(
            f"{model} has no finished run in {evidence.folder}, which has {known}; RUN=1 trains it"
        )
    return model


def _train_claimed(args: Namespace) -> Path:
    """Train the models of a claim, with the options of the verb `run`; returns their folder.

    Raises:
        UsageError: a run failed, after its report.
    """
    from benchmarks.cli import parse

    given = {"models": f"{args.a},{args.b}", "results": args.results, "data-dir": args.data_dir}
    given |= {name: getattr(args, name) for name in ("dataset", "protocol", "seeds", "device")}
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    to_train = parse(["run", *options])
    if run(to_train) != 0:
        raise UsageError("not every run ended well; the table above says why")
    print()
    return to_train.config.resolved().folder


def compare(args: Namespace) -> int:
    from benchmarks.analysis import compare
    from benchmarks.records.storage import open_folder

    outcome = compare.compare(open_folder(args.a), open_folder(args.b))
    print(outcome)
    return 1 if outcome.regressions else 0


VERBS = {
    "list": list_models,
    "describe": describe,
    "data": data,
    "run": run,
    "predict": predict,
    "study": study,
    "peers": study,
    "claim": claim,
    "compare": compare,
    "report": rebuild,
}
