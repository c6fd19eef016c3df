"""The verbs of `python -m benchmarks`. Nothing heavy is imported to read the arguments."""

import os
import re
import signal
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from difflib import get_close_matches
from inspect import getdoc
from pathlib import Path
from typing import Any, NoReturn

import datamodules
from benchmarks import studies
from benchmarks.errors import UsageError, unknown
from benchmarks.planning import protocol as protocols
from benchmarks.planning.protocol import FIELDS, Protocol
from benchmarks.planning.sweep_config import (
    DEVICES,
    EXECUTORS,
    STRATEGIES,
    Placement,
    SweepConfig,
)
from benchmarks.records.storage import open_folder

INTERRUPTED = 130

_PROTOCOL = "protocol."  # begins the names of protocol fields among the options


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
        for option in shared:
            sub.add_argument(option, **_SHARED[option])
        return sub

    verb("list", "show every model; * marks the canonical member of its architecture")

    describe = verb("describe", "show what a model is and costs, layer by layer", "--results")
    describe.add_argument("model", nargs="?", help="a name, as in `run --models`")
    describe.add_argument("--all", action="store_true", help="compare every model, in --results")
    describe.add_argument(
        "--image-size",
        type=int,
        help="height and width in px; the default, like that of the next two, is the published "
        "figures' or else 1 x 224 x 224 and 10 classes",
    )
    describe.add_argument("--channels", type=int, help="channels of the image")
    describe.add_argument("--classes", type=int, help="number of logits")

    verb("data", "find, or fetch, and verify a dataset", "--dataset", "--data-dir")

    run = verb(
        "run",
        "train models under one protocol and report",
        *("--models", "--dataset", "--device", "--force", "--results", "--data-dir"),
        epilog=f"fields of a protocol:\n\n{getdoc(Protocol)}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    run.add_argument("--seeds", default="0", help="whole numbers, by commas")
    run.add_argument("--devices", type=int, default=1, help="devices of each node for one run")
    run.add_argument("--num-nodes", type=int, default=1, help="machines for one run")
    run.add_argument("--strategy", default="auto", help=", ".join(STRATEGIES))
    run.add_argument("--executor", default="local", help=", ".join(EXECUTORS))
    run.add_argument(
        "--jobs", type=int, help="runs at a time on a machine; by default 1, with ray one a GPU"
    )
    run.add_argument("--timeout", type=float, help="seconds a run may take")
    run.add_argument(
        "--checkpoint-seconds", type=float, default=30.0, help="between two within an epoch"
    )
    run.add_argument("--study", help="a study to measure afterwards")
    run.add_argument(
        "--protocol",
        default=protocols.AUTO,
        help=f"{protocols.AUTO} (the default), {', '.join(protocols.names())}, or a YAML file",
    )
    for field in FIELDS:
        run.add_argument(f"--{_PROTOCOL}{field}", metavar="VALUE", help="overrides this field")

    study = verb("study", "measure one question", "--device", "--force", "--results", "--data-dir")
    study.add_argument("study", help=", ".join(studies.names()))
    verb(
        "peers",
        "time our training loop against those others would write",
        *("--models", "--device", "--force", "--results", "--data-dir"),
    )
    verb("report", "rebuild tables and plots from the records", "--results")
    return parser, verbs.choices


_SHARED: dict[str, dict] = {
    "--results": {
        "default": "results",
        "help": "folder, or URL such as s3://bucket/results",
    },
    "--data-dir": {
        "type": Path,
        "default": Path(os.environ.get("DATA_DIR", "data")),
        "help": "folder of datasets",
    },
    "--models": {"default": "all", "help": "all, names, wildcards; by commas"},
    "--dataset": {"default": "fashion_mnist", "help": ", ".join(datamodules.NAMES)},
    "--device": {"default": "auto", "help": ", ".join(DEVICES)},
    "--force": {"action": "store_true", "help": "do again what has finished"},
}


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _seeds(text: str) -> tuple[int, ...]:
    for seed in _split(text):
        if not seed.isdecimal():
            raise UsageError(f"seed {seed!r} is not a whole number from 0 to 2**32 - 1")
    return tuple(dict.fromkeys(map(int, _split(text))))


def parse(argv: list[str]) -> Namespace:
    """Read the arguments; those of the verb `run` include the checked `config`.

    Raises:
        UsageError: wrong arguments.
    """
    parser, verbs = make_parser()
    args, unrecognized = parser.parse_known_args(argv)
    if unrecognized:
        verbs[args.verb].error(f"unrecognized arguments: {' '.join(unrecognized)}")
    if "results" in args:
        args.results = open_folder(args.results)
    if "models" in args:
        args.models = _split(args.models)
    if args.verb == "run":
        args.config = _sweep_config(args)
    if "device" in args:
        Placement(device=args.device)
    if getattr(args, "study", None) not in (None, *studies.names()):
        raise unknown("study", args.study, studies.names())
    if args.verb == "data" and args.dataset not in datamodules.NAMES:
        raise unknown("dataset", args.dataset, datamodules.NAMES)
    return args


def _sweep_config(args: Namespace) -> SweepConfig:
    options: dict[str, Any] = {k: value for k, value in vars(args).items() if value is not None}
    overrides = {
        name.removeprefix(_PROTOCOL): value
        for name, value in options.items()
        if name.startswith(_PROTOCOL)
    }
    protocol, name = None, protocols.AUTO
    if args.protocol != protocols.AUTO:
        protocol = Protocol.load(args.protocol, overrides)
        name = protocol.title(args.protocol, overrides)
    else:
        Protocol.load("quick", overrides)  # any protocol tells whether the overrides are valid
    placed = ("device", "devices", "num_nodes", "strategy")
    asked = ("models", "dataset", "executor", "jobs", "timeout", "checkpoint_seconds")
    return SweepConfig(
        protocol=protocol,
        protocol_name=name,
        overrides=overrides,
        placement=Placement(**{option: options[option] for option in placed}),
        seeds=_seeds(args.seeds),
        **{option: getattr(args, option) for option in (*asked, "force", "results", "data_dir")},
    )


def main(argv: list[str] | None = None) -> int:
    """Run one verb. Exit status: 0 done, 1 a run failed, 2 it cannot be served, 130 Ctrl-C."""
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
    except UsageError as error:
        return _refuse(error)
    from benchmarks import commands

    # SIGTERM interrupts as Ctrl-C does: what has finished is kept and reported.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return commands.execute(args)
    except commands.FORESEEN as error:
        return _refuse(error)
    except KeyboardInterrupt as interrupt:
        print("\ninterrupted", *interrupt.args, sep="; ", file=sys.stderr)
        return INTERRUPTED


def _refuse(error: Exception) -> int:
    print(f"benchmarks: {error}", file=sys.stderr)
    return 2
