"""Verbs that conclude: `claim` and `compare`."""

import math
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UsageError

if TYPE_CHECKING:
    from benchmarks.analysis.evidence import Evidence


def claim(args: Namespace) -> int:
    from benchmarks.analysis import by_class, claims, evidence, metrics, wording

    metric = metrics.metric(args.metric)
    if args.by not in (None, "class"):
        raise UsageError(f"BY={args.by} is unknown; choose class")
    if args.margin is not None and not 0 < args.margin < math.inf:
        raise UsageError("--margin must be above 0, and finite")
    if args.a == args.b:  # before anything is trained
        raise UsageError("a net cannot be compared with itself: give two models")
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
    import lit_models

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
    from benchmarks.commands.sweeps import run

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
    from benchmarks.records.fetched import fetched

    with fetched(args.a) as old, fetched(args.b) as new:
        outcome = compare.compare(old, new)
    print(outcome)
    return 1 if outcome.regressions else 0
