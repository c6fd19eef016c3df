"""Verbs about studies: `study` and `peers`."""

import sys
import traceback
from argparse import Namespace
from pathlib import Path

from benchmarks import studies
from benchmarks.commands.foreseen import foreseen
from benchmarks.records.storage import check_writable


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
            if isinstance(error, foreseen()):
                print(f"benchmarks: study {name}: {error}", file=sys.stderr)
            else:
                traceback.print_exc()
    if failed and len(names) > 1:
        print(f"benchmarks: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _study(name: str, args: Namespace) -> bool:
    """Measure one study and show its results; returns whether all went well."""
    from benchmarks.execution.sweep import Interrupted
    from benchmarks.machine import environment
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


def rebuild_studies(folders: list[Path]) -> int:
    """Rebuild studies of one results folder; returns the exit status."""
    from benchmarks.studies.base import overview

    status = 0
    for folder in folders:
        try:
            check_writable(folder)
            print(f"{folder}\n\n{studies.load(folder.name).rebuild(folder)}\n")
        except foreseen() as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            status = 2
    overview.write(folders[0].parent)
    return status
