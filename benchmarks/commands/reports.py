"""The verb `report`: tables and plots of results that are there."""

import sys
from argparse import Namespace
from pathlib import Path

from benchmarks.commands.studies import rebuild_studies
from benchmarks.errors import UsageError, check_known
from benchmarks.records.store import RecordStore


def report(args: Namespace) -> int:
    if args.format is not None:
        from benchmarks.report.formats import FORMATS

        check_known("format", args.format, list(FORMATS))
    if args.side_by_side:
        return _side_by_side(args)
    comparisons = _comparisons(args)
    if args.format:
        return _print_tables(comparisons, args.format)
    from benchmarks.report.rebuild import rebuild

    studies = [] if args.dataset or args.protocol else _studies(args.results)
    status = rebuild_studies(studies) if studies else 0
    for folder in comparisons:  # whose pages show the studies
        print(f"{folder}\n\n{rebuild(folder)}\n")
    return status


def _comparisons(args: Namespace) -> list[Path]:
    """The folders of the comparisons that were asked for.

    Raises:
        UsageError: there are none.
    """
    found = RecordStore(args.results).folders()
    if args.dataset is not None:
        check_known("dataset", args.dataset, sorted({folder.parent.name for folder in found}))
        found = [folder for folder in found if folder.parent.name == args.dataset]
    if args.protocol is not None:
        check_known("protocol", args.protocol, sorted({folder.name for folder in found}))
        found = [folder for folder in found if folder.name == args.protocol]
    if not found and (args.format or not _studies(args.results)):
        raise UsageError(f"no records in {args.results}; `make bench` makes them")
    return found


def _studies(results: Path) -> list[Path]:
    """The folders of the studies that were measured."""
    return [
        folder
        for folder in sorted((results / "studies").glob("[!.]*"))
        if (folder / "results.csv").exists() or RecordStore(folder).folders()
    ]


def _print_tables(comparisons: list[Path], form: str) -> int:
    """Print the tables alone, for a file; their folders are named beside the output."""
    from benchmarks.report import table
    from benchmarks.report.formats import FORMATS
    from benchmarks.report.rebuild import read

    for number, folder in enumerate(comparisons):
        if len(comparisons) > 1:
            print(folder, file=sys.stderr)
        comparison = read(folder)
        text = FORMATS[form](table.shown(comparison.current, comparison.standing))
        print(text if number == 0 else f"\n{text}")
    return 0


def _side_by_side(args: Namespace) -> int:
    from benchmarks.records.storage import check_writable
    from benchmarks.report import table
    from benchmarks.report.comparable import annotated
    from benchmarks.report.formats import FORMATS
    from benchmarks.report.side_by_side import folders, side_by_side
    from benchmarks.report.terminal import terminal, where, width

    if args.protocol is not None:
        raise UsageError("--side-by-side names the protocols, and --protocol is not needed")
    joined = side_by_side(folders(args.results, args.side_by_side, args.dataset))
    if args.format:
        print(FORMATS[args.format](table.shown(annotated(joined.rows), joined.standing)))
        return 0
    check_writable(joined.folder)
    joined.write()
    print(f"{terminal(joined.rows, joined.standing, width())}\n{where(joined.folder)}")
    return 0
