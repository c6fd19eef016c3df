"""Fields that are options of the command line, and how their text is read."""

import os
import re
from argparse import Action
from dataclasses import field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError, check_known
from benchmarks.planning.variation import split

# What shows runs while they train; all but the first are packages, and extras of this one.
CSV, TENSORBOARD, MLFLOW, WANDB = LOGGERS = ("csv", "tensorboard", "mlflow", "wandb")


def option(doc: str, default: Any, **options: Any) -> Any:
    """A field that is an option, with the arguments of `ArgumentParser.add_argument`."""
    return field(default=default, metadata={"help": doc, **options})


def read_seeds(text: str) -> tuple[int, ...]:
    for seed in split(text):
        if not seed.isdecimal():
            raise UsageError(f"seed {seed!r} is not a whole number from 0 to 2**32 - 1")
    return tuple(dict.fromkeys(map(int, split(text))))


def read_switch(text: str) -> bool:
    check_known("value", text, ("true", "false"))
    return text == "true"


def read_folder(name: str) -> Path:
    """A folder of this machine; `~` is the home folder, also where no shell has replaced it."""
    return Path(os.path.expanduser(name))


def read_duration(text: str) -> float:
    """Seconds of a time in hours, minutes and seconds, such as `1h30m`."""
    number = r"(\d+(?:\.\d+)?)"
    found = re.fullmatch(f"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text.strip())
    if not found or not any(found.groups()):
        raise UsageError(f"a time is given as 90s, 15m or 1h30m, not as {text!r}")
    return sum(
        float(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True)
    )


class Once(Action):
    """Refuses an option that is given twice."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        if getattr(namespace, self.dest) is not None:
            raise UsageError(f"{option_string} is given twice, and takes one field")
        setattr(namespace, self.dest, values)


def check_above_zero(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not value > 0:
            raise UsageError(f"--{name.replace('_', '-')} must be above 0")


def check_logger(logger: str, results: Path) -> None:
    check_known("logger", logger, LOGGERS)
    if logger != CSV and not isinstance(results, Path):
        raise UsageError("--logger writes to a folder of this machine; --results is a URL")


def check_installed(logger: str) -> None:
    if logger != CSV and find_spec(logger) is None:
        install = f"`pip install '.[{logger}]'`"
        raise UsageError(f"the logger {logger} is not installed; {install} installs it")
