"""The verbs of `python -m benchmarks`. Nothing heavy is imported to read the arguments."""

import os
import re
import signal
import sys
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

import datamodules
from benchmarks import studies
from benchmarks.errors import UsageError, unknown
from benchmarks.planning import protocol as protocols
from benchmarks.planning.protocol import Protocol
from benchmarks.records import storage

INTERRUPTED = 130
EXECUTORS = ("local", "ray")
DEVICES = ("auto", "cpu", "cuda", "mps")
STRATEGIES = ("auto", "ddp")


class Parser(ArgumentParser):
    """Answers wrong arguments in one line."""

    def error(self, message: str, ex: Exception | None = None) -> None:
        message = " ".join(str(message).split()).rstrip(".")
        if wrong := re.match(r"unrecognized arguments: (--[\w.]+)", message):
            close = get_close_matches(wrong[1], self._option_string_actions, n=3)
            message += f"; did you mean {', '.join(close)}?" if close else ""
        raise UsageError(f"{message}; `{self.prog.replace('[options] ', '')} --help` shows how")


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m benchmarks",
        description="CNNs under one shared protocol.",
        allow_abbrev=False,
    )
    verbs = parser.add_subcommands(dest="verb")
    folders = {
        "--results": (str, "results", "folder, or URL such as s3://bucket/results"),
        "--data_dir": (Path, Path(os.environ.get("DATA_DIR", "data")), "folder"),
    }

    def verb(name: str, summary: str, *options: str) -> Parser:
        sub = Parser(description=summary, allow_abbrev=False)
        for option in options:
            kind, default, meaning = folders[option]
            sub.add_argument(option, type=kind, default=default, help=meaning)
        verbs.add_subcommand(name, sub, help=summary)
        return sub

    verb("list", "show every model; * marks the canonical member of its architecture")

    describe = verb("describe", "say what a model is and costs, layer by layer", "--results")
    describe.add_argument("model", type=str, nargs="?", help="a name, as of `run --models`")
    describe.add_argument("--all", action="store_true", help="compare every model, in --results")
    describe.add_argument(
        "--image-size",
        type=int,
        help="height and width in px; by default, like the next two, "
        "as for the published figures, or else 1 x 224 x 224 and 10 classes",
    )
    describe.add_argument("--channels", type=int, help="channels of the image")
    describe.add_argument("--classes", type=int, help="number of logits")

    data = verb("data", "find, or fetch, and verify a dataset", "--data_dir")
    data.add_argument("--dataset", type=str, default="fashion_mnist")

    run = verb("run", "train models under one protocol and report", "--results", "--data_dir")
    run.add_argument("--models", type=str, default="all", help="all, names, wildcards; by commas")
    run.add_argument("--dataset", type=str, default="fashion_mnist")
    run.add_argument("--seeds", type=str, default="0", help="whole numbers, by commas")
    run.add_argument("--device", type=str, default="auto", help=", ".join(DEVICES))
    run.add_argument("--devices", type=int, default=1, help="of each node, for one run")
    run.add_argument("--num-nodes", type=int, default=1, help="machines, for one run")
    run.add_argument("--strategy", type=str, default="auto", help=", ".join(STRATEGIES))
    run.add_argument("--executor", type=str, default="local", help=", ".join(EXECUTORS))
    run.add_argument(
        "--jobs",
        type=int,
        default=None,
        help="runs at a time on a machine, sharing its threads; by default 1, with ray one a GPU",
    )
    run.add_argument("--timeout", type=float, default=None, help="seconds a run may take")
    run.add_argument(
        "--checkpoint-seconds", type=float, default=30.0, help="between two within an epoch"
    )
    run.add_argument("--study", type=str, default=None, help="a study to measure afterwards")
    run.add_argument("--force", action="store_true", help="run again what has finished")
    run.add_argument(
        "--protocol",
        type=Protocol,
        sub_configs=True,
        help=f"{protocols.AUTO} (the default), {', '.join(protocols.names())}, or a YAML file",
    )

    study = verb("study", "measure one question of its own", "--results", "--data_dir")
    study.add_argument("study", type=str, help=", ".join(studies.names()))
    study.add_argument("--device", type=str, default="auto", help=", ".join(DEVICES))
    study.add_argument("--force", action="store_true", help="measure again")

    peers = verb(
        "peers",
        "time our training loop against those others would write",
        "--results",
        "--data_dir",
    )
    peers.add_argument("--models", type=str, default="all", help="all, names, wildcards; by commas")
    peers.add_argument("--device", type=str, default="auto", help=", ".join(DEVICES))
    peers.add_argument("--force", action="store_true", help="measure again")

    verb("report", "rebuild tables and plots from the records", "--results")
    return parser


def parse(argv: list[str], auto: str = "quick") -> Namespace:
    """Read the arguments. `run.protocol` becomes a Protocol, `run.protocol_name` its name.

    `results` becomes a path, or the `UPath` of a URL.

    Args:
        argv: the arguments.
        auto: the protocol that `auto` stands for.

    Raises:
        UsageError: wrong arguments.
    """
    argv = list(argv)
    asked = protocols.AUTO
    if argv[:1] == ["run"]:
        asked, argv = _take_protocol(argv)
        name = auto if asked == protocols.AUTO else asked
        argv[1:1] = ["--protocol", str(protocols.find(name))]
    parser = make_parser()
    args = parser.parse_args(argv)
    _check_names(args[args.verb])
    if args.verb == "run":
        args.run.protocol.pop("__path__")
        args = parser.instantiate(args)
        args.run.seeds = _seeds(args.run.seeds)
        given = [
            f.name
            for f in fields(Protocol)
            if any(re.match(rf"--protocol\.{f.name}(=|\.|$)", a) for a in argv)
        ]
        args.run.protocol = args.run.protocol.with_shared(given)
        suffixes = [f"+{field}={getattr(args.run.protocol, field)}" for field in given]
        title = Path(name).stem + "".join(suffixes)
        # It names a folder, and must not be too long for a file system.
        args.run.protocol_name = re.sub(r"[^\w.=+-]+", "-", title)[:120]
        args.run.auto = asked == protocols.AUTO
    options = args[args.verb]
    if "results" in options:
        options.results = storage.open_folder(options.results)
    return args


def _check_names(options: Namespace) -> None:
    """Refuse unknown names before anything heavy is imported."""
    known = {
        "dataset": datamodules.NAMES,
        "device": DEVICES,
        "executor": EXECUTORS,
        "strategy": STRATEGIES,
        "study": studies.names(),
    }
    for kind, choices in known.items():
        if options.get(kind) is not None and options[kind] not in choices:
            raise unknown(kind, options[kind], choices)
    for kind in ("devices", "num_nodes", "jobs", "timeout"):
        if options.get(kind) is not None and not options[kind] > 0:
            raise UsageError(f"--{kind.replace('_', '-')} must be above 0")
    if not options.get("checkpoint_seconds", 0.0) >= 0:
        raise UsageError("--checkpoint-seconds must be at least 0")


def _seeds(values: str) -> list[int]:
    seeds = [value.strip() for value in values.split(",")]
    for value in seeds:
        if not value.isdecimal() or int(value) >= 2**32:
            raise UsageError(f"seed {value!r} is not a whole number from 0 to 2**32 - 1")
    return list(dict.fromkeys(map(int, seeds)))


def _take_protocol(argv: list[str]) -> tuple[str, list[str]]:
    """The value of --protocol, which may be a name, and the arguments without it."""
    rest, name = [], protocols.AUTO
    arguments = iter(argv)
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if option == "--protocol":
            name = value if equals else next(arguments, "")
        else:
            rest.append(argument)
    return name, rest


def main(argv: list[str] | None = None) -> int:
    """Run one verb. Exit status: 0 done, 1 a run failed, 2 it could not be served, 130 Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = parse(argv)
    except UsageError as error:
        return _refuse(error)
    # To be told to terminate is to be interrupted: what has finished is kept and said.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _execute(args, argv)
    except KeyboardInterrupt as interrupt:
        print("\ninterrupted", *interrupt.args, sep="; ", file=sys.stderr)
        return INTERRUPTED


def _execute(args: Namespace, argv: list[str]) -> int:
    from benchmarks import commands

    try:
        if args.verb == "run" and args.run.auto:
            args = parse(argv, auto=commands.auto_protocol(args.run.device, args.run.executor))
        return commands.execute(args)
    except commands.FORESEEN as error:
        return _refuse(error)


def _refuse(error: Exception) -> int:
    print(f"benchmarks: {error}", file=sys.stderr)
    return 2
