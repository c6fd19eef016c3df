"""Verbs about nets and recipes: `list` and `describe`."""

import sys
from argparse import Namespace

import lit_models
from benchmarks.errors import UsageError
from benchmarks.planning import recipe
from benchmarks.planning.protocol import AUTO, Protocol
from benchmarks.records.storage import check_writable, write_atomic


def list_models(args: Namespace) -> int:
    name_broken_files()
    for name in lit_models.names():
        entry = lit_models.entry(name)
        mark = "*" if entry.canonical else " "
        print(f"{mark} {name:18} {entry.task:14} from {entry.min_size:>2} px  {entry.summary}")
    print("\n* stands for its architecture in MODELS=all, on datasets for its task")
    return 0


def name_broken_files() -> None:
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
