"""The verbs of `python -m benchmarks`. Nothing heavy is imported to read the arguments."""

import os
import re
import signal
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from dataclasses import fields
from difflib import get_close_matches
from inspect import getdoc
from pathlib import Path
from typing import Any, NoReturn

from benchmarks import studies
from benchmarks.errors import UsageError, check_known
from benchmarks.machine import shell
from benchmarks.planning import protocol as protocols
from benchmarks.planning.checks import check_dataset
from benchmarks.planning.placement import DEVICES, Placement
from benchmarks.planning.protocol import FIELDS, Protocol
from benchmarks.planning.sweep_config import STUDY_OPTIONS, SweepConfig
from benchmarks.records.storage import open_folder

INTERRUPTED = 130

BUDGETS = ("quick", "full")

# Options of `run`; other verbs take some of them.
_OPTIONS = {f.name: f for kind in (SweepConfig, Placement) for f in fields(kind) if f.metadata}


class Parser(ArgumentParser):
    """Answers wrong arguments in one line."""

    def error(self, message: str) -> NoReturn:
        message = " ".join(message.split()).rstrip(".")
        if wrong := re.match(r"unrecognized arguments: (--[\w.-]+)", message):
            close = get_close_matches(wrong[1], self._option_string_actions, n=3)
            message += f"; did you mean {', '.join(close)}?" if close else ""
        raise UsageError(f"{message}; `{self.prog} --help` shows how")


def make_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser, and that of each verb."""
    parser = Parser(prog="python -m benchmarks", description="CNNs under one shared protocol.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")

    def verb(name: str, summary: str, *shared: str, **options: Any) -> Parser:
        sub = verbs.add_parser(
            name, help=summary, description=summary, allow_abbrev=False, **options
        )
        for option in (_OPTIONS[each] for each in shared):
            flag = f"--{option.name.replace('_', '-')}"
            sub.add_argument(flag, default=option.default, **option.metadata)
        return sub

    verb("list", "show every model; * marks the canonical member of its architecture")

    summary = "show what a model is and costs, layer by layer, or what a protocol does"
    describe = verb("describe", summary, "results")
    describe.add_argument("model", nargs="?", help="a name, as in `run --models`")
    describe.add_argument("--all", action="store_true", help="compare every model, in --results")
    describe.add_argument(
        "--image-size",
        type=int,
        help="height and width in px; the default, like that of the next two, is the published "
        "figures' or else 1 x 224 x 224 and 10 classes",
    )
    named = f"{', '.join(protocols.names())}, or a YAML file"
    describe.add_argument(
        "--protocol", help=f"{named}: what it does, or with a model, its image size"
    )
    describe.add_argument(
        "--yaml", action="store_true", help="the protocol as a file to start from"
    )
    describe.add_argument("--channels", type=int, help="channels of the image")
    describe.add_argument("--classes", type=int, help="number of logits")

    summary = "find, or fetch, and verify a dataset, and draw some of its images"
    data = verb("data", summary, "dataset", "skip_damaged", "results", "data_dir")
    data.add_argument(
        "--protocol",
        default="quick",
        help="whose image_size and fit the images are drawn with; by default quick",
    )

    run = verb(
        "run",
        "train models under one protocol and report",
        *_OPTIONS,
        epilog=f"fields of a protocol:\n\n{getdoc(Protocol)}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    run.add_argument("--study", help="a study to measure afterwards")
    run.add_argument(
        "--protocol",
        default=protocols.AUTO,
        help=f"{protocols.AUTO} (the default), {named}",
    )
    for field in FIELDS:
        for sub in (data, run):
            sub.add_argument(f"--protocol.{field}", metavar="VALUE", help="overrides this field")

    predict = verb("predict", "classify image files with the weights that a run left")
    predict.add_argument("record", type=Path, help="runs/<run>.json, or weights/<run>.safetensors")
    predict.add_argument("images", type=Path, nargs="+", help="image files, and folders of such")

    shared = ("device", "force", "results", "data_dir", *STUDY_OPTIONS)
    study = verb("study", "answer one question by measurements", *shared)
    study.add_argument("study", help=f"list, all, {', '.join(studies.names())} or package.module")
    summary = "time our training loop against those others would write; as `study peers`"
    peers = verb("peers", summary, "models", *shared)
    peers.set_defaults(study="peers")
    for one in (study, peers):
        one.add_argument("--budget", help="quick (the default on a CPU) or full")
        one.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a setting of the study, such as image_size=28; lists by commas; may be repeated",
        )
    run.set_defaults(set=[])

    claim = verb(
        "claim",
        "say whether one model is better than another, and how sure that is",
        *("dataset", "results", "device", "data_dir"),
    )
    claim.add_argument("a", help="the model that is claimed to be better")
    claim.add_argument("b", help="the model that it is compared with")
    claim.add_argument(
        "--metric",
        default="test_accuracy",
        help="test_accuracy, loss, examples_per_sec, inference_examples_per_sec, train_flops, "
        "peak_memory_mb, fit_seconds, seconds_to_0.85, flops_to_0.85, ...",
    )
    claim.add_argument("--protocol", default=protocols.AUTO, help="as of `run`")
    claim.add_argument("--by", help="class: show where the models differ")
    claim.add_argument(
        "--margin",
        type=float,
        help="of equivalence: points of accuracy (1), per cent of others (5)",
    )
    claim.add_argument("--run", action="store_true", help="train the seeds that are missing")
    claim.add_argument("--seeds", default="0,1,2", help="for --run, as of `run`")

    summary = "draw the test images that models get wrong, and those that separate two models"
    images = verb("images", summary, "dataset", "skip_damaged", "results", "data_dir")
    images.add_argument("a", nargs="?", help="a model; by default the two best")
    images.add_argument("b", nargs="?", help="the model that it is compared with")
    images.add_argument("--protocol", default=protocols.AUTO, help="as of `run`")

    compare = verb("compare", "say what became better or worse between two results folders")
    compare.add_argument("a", help="the older folder, archive of one, or URL of either")
    compare.add_argument("b", help="the newer one")

    report = verb("report", "rebuild tables and plots from the records", "results")
    report.add_argument("--dataset", help="only its comparisons")
    report.add_argument("--protocol", help="only comparisons under this protocol")
    report.add_argument(
        "--format", help="markdown, html, latex or csv: print the tables in it, and write nothing"
    )
    report.add_argument(
        "--side-by-side",
        nargs="+",
        metavar="PROTOCOL",
        help="one table of several protocols of a dataset, such as quick quick+learning_rate=0.001",
    )

    notebook = verb("notebook", "execute a copy of notebooks/results.ipynb beside the results")
    notebook.add_argument(
        "--results",
        default=SUPPRESS,
        help="folder; by default results if it has the comparison, or else results/reference",
    )
    notebook.add_argument("--dataset", help="by default fashion_mnist")
    notebook.add_argument("--protocol", help="by default quick, or else the only one")
    return parser, verbs.choices


def parse(argv: list[str]) -> Namespace:
    """Read the arguments; those of the verb `run` include the checked `config`.

    Raises:
        UsageError: wrong arguments.
    """
    parser, verbs = make_parser()
    args, unrecognized = parser.parse_known_args(argv)
    if unrecognized:
        verbs[args.verb].error(f"unrecognized arguments: {' '.join(unrecognized)}")
    if "device" in args:
        if ":" in args.device and getattr(args, "executor", "") == "ray":
            raise UsageError("Ray chooses the GPU of each run; say --device cuda")
        args.device = shell.select_device(args.device)
        check_known("device", args.device, DEVICES)
    if "results" in args:
        args.results = open_folder(str(args.results))
    if args.verb == "run":
        args.config = _sweep_config(args)
        args.budget = None  # that of a study is another; by default its device decides it
    if getattr(args, "study", None) is not None:
        if args.study not in ("list", "all"):
            studies.check(args.study)
        args.settings = _study_settings(args)
    if args.verb == "data":
        check_dataset(args.dataset)
        args.protocol = Protocol.load(args.protocol, _overrides(args))
    return args


def _study_settings(args: Namespace) -> dict[str, Any]:
    if args.budget is not None:
        check_known("budget", args.budget, BUDGETS)
    settings = {"models": args.models} if args.verb == "peers" else {}
    for given in args.set:
        name, equals, value = given.partition("=")
        if not equals:
            raise UsageError(f"--set {given} must be of the form NAME=VALUE")
        settings[name.strip()] = value.strip()
    return settings


def _overrides(args: Namespace) -> dict[str, str]:
    """The fields of a protocol that are given, as YAML text."""
    given = {field: getattr(args, f"protocol.{field}") for field in FIELDS}
    return {field: text for field, text in given.items() if text is not None}


def _sweep_config(args: Namespace) -> SweepConfig:
    overrides = _overrides(args)
    if args.protocol == protocols.AUTO:
        any_protocol = Protocol.load("quick", overrides)  # tells whether the values are valid
        if args.vary:
            args.vary.protocols(any_protocol)
        protocol, name = None, protocols.AUTO
    else:
        protocol = Protocol.load(args.protocol, overrides)
        name = protocol.title(args.protocol, overrides)
    return SweepConfig(
        protocol=protocol,
        protocol_name=name,
        overrides=overrides,
        placement=Placement(**_values(Placement, args)),
        **_values(SweepConfig, args),
    )


def _values(kind: type, args: Namespace) -> dict[str, Any]:
    """The values of the fields that are options."""
    return {f.name: getattr(args, f.name) for f in fields(kind) if f.name in _OPTIONS}


def main(argv: list[str] | None = None) -> int:
    """Run one verb. Exit status: 0 done, 1 a run failed, 2 it cannot be served, 130 Ctrl-C."""
    shell.open_streams()
    if ignored := shell.clear_variables():
        print(f"benchmarks: ignored, for they change runs: {', '.join(ignored)}", file=sys.stderr)
    os.environ["MPLBACKEND"] = "agg"  # plots are files
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
    except UsageError as error:
        return _refuse(error)
    if args.verb == "run" and args.executor == "local":
        from benchmarks.execution import processes

        processes.context()  # its server imports PyTorch and Lightning while this process plans
    from benchmarks import commands

    # SIGTERM interrupts as Ctrl-C does: what has finished is kept and reported.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return commands.carry_out(args)
    except KeyboardInterrupt as interrupt:
        print("\ninterrupted", *interrupt.args, sep="; ", file=sys.stderr)
        return INTERRUPTED
    except commands.foreseen() as error:
        return _refuse(error)


def _refuse(error: Exception) -> int:
    print(f"benchmarks: {error}", file=sys.stderr)
    return 2
