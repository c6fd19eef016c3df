"""Names of models with options, such as `convnet[first_layer_filters=32]`.

The text in brackets is YAML, with `=` instead of a colon. A list that an option takes as it is, as
in `dilated_fcn[rates=[1,2,5]]`, is its value. Any other list is a grid, with a model for each
element: `convnet[first_layer_filters=[8,16]]`, `dilated_fcn[rates=[[1,2,5],[2,2,2]]]`.

A canonical name has its options sorted, without spaces, and none at its default.
"""

import json
import re
from dataclasses import replace
from itertools import product
from typing import Any

from ruamel.yaml import YAML, YAMLError
from torch import nn

from lit_models import options
from lit_models.entries import Entry, ModelError, one_line
from lit_models.options import Option

_QUOTED = r""""(?:\\.|[^"\\])*"|'[^']*'"""
# What a builder raises because of a value that it cannot take.
_REFUSALS = (
    *(TypeError, ValueError, RuntimeError, AssertionError, ArithmeticError, LookupError),
    NotImplementedError,
)


def base(name: str) -> str:
    """A name without its options."""
    return name.partition("[")[0].strip()


def parse(name: str) -> dict[str, Any]:
    """The options that a name gives, with their values as written.

    Raises:
        ModelError: they cannot be read.
    """
    _, bracket, text = name.strip().partition("[")
    if not bracket:
        return {}
    if not text.endswith("]"):
        raise _unreadable(name, "it must end with ]; wildcards are * and ?")
    as_yaml = re.sub(f"({_QUOTED})|=", lambda found: found[1] or ": ", f"[{text}")
    try:
        pairs = YAML(typ="safe", pure=True).load(as_yaml)
    except (YAMLError, ValueError, RecursionError) as error:
        raise _unreadable(name, str(getattr(error, "problem", None) or error)) from None
    given: dict[str, Any] = {}
    for pair in pairs:
        if not isinstance(pair, dict):
            raise _unreadable(name, f"{pair!r} has no value")
        ((option, value),) = pair.items()
        if option in given:
            raise _unreadable(name, f"{option} is given twice")
        if not _is_plain(value):
            raise _unreadable(name, f"{option} must be a number, text, true, false, null or a list")
        given[str(option)] = value
    return given


def variants(entry: Entry, given: dict[str, Any]) -> list[Entry]:
    """The net with these options; several nets if some are grids.

    Raises:
        ModelError: an option that the net does not have, or a value that the option cannot take.
    """
    known, takes_more = options.known(entry)
    values = {}
    for name in sorted(given):
        if options.is_shape(entry, name) or not (takes_more or name in known):
            raise _no_option(entry, name)
        try:
            values[name] = known.get(name, Option(name)).values(given[name])
        except ValueError as error:
            raise ModelError(f"{entry.name}: option {one_line(error)}") from None
        if not values[name]:
            raise ModelError(f"{entry.name}: option {name} has an empty list of values")
    return [
        _variant(entry, dict(zip(values, chosen, strict=True)), known)
        for chosen in product(*values.values())
    ]


def _variant(entry: Entry, values: dict[str, Any], known: dict[str, Option]) -> Entry:
    own = {
        name: value
        for name, value in values.items()
        # A builder that sets an argument itself refuses even the default of its class.
        if name not in known
        or not known[name].is_default(value)
        or options.is_set_by_builder(entry, name)
    }
    if not own:
        return entry
    name = f"{entry.name}[{','.join(f'{option}={_text(value)}' for option, value in own.items())}]"

    def builder(**arguments: Any) -> nn.Module:
        try:
            return entry.builder(**arguments, **own)
        except ModelError:
            raise
        except _REFUSALS as error:
            if (option := options.given_twice(error)) and option not in arguments:
                raise _no_option(entry, option) from None
            raise ModelError(f"{name} cannot be built: {one_line(error)}") from error

    return replace(
        entry,
        name=name,
        builder=builder,
        canonical=False,
        published=None,
        make=entry.make or entry.builder,
        options=own,
    )


def _no_option(entry: Entry, name: str) -> ModelError:
    taken = ", ".join(options.takes(entry)) or "none"
    why = ", which data and protocol decide" if options.is_shape(entry, name) else ""
    return ModelError(f"{entry.name} has no option {name!r}{why}; it takes {taken}")


def _unreadable(name: str, problem: str) -> ModelError:
    return ModelError(f"{name!r} is not of the form name[option=value,...]: {one_line(problem)}")


def _is_plain(value: object) -> bool:
    """Whether a value is a scalar of JSON, or a list of such values."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return abs(value) < float("inf")
    return value is None or isinstance(value, (bool, int, str))


def _text(value: object) -> str:
    """A value as a canonical name has it."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, str):
        is_word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.+-]*", value)
        if is_word and YAML(typ="safe", pure=True).load(value) == value:  # unlike `true`
            return value
    return json.dumps(value, ensure_ascii=False)
