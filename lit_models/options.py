"""The options of a net: keyword parameters of its builder that data and protocol do not decide."""

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, get_origin

import torch
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from torch import nn

from lit_models.entries import Entry

# Data and protocol decide these, under the names of all libraries,
_SHAPE = ("in_channels", "num_classes", "image_size", "in_chans", "img_size", "input_size")
# and the nets of libraries are trained from scratch.
_OF_LIBRARIES = ("weights", "pretrained", "progress", "device", "dtype")

UNKNOWN = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """One option: the type of its values, and its default; each `UNKNOWN` if not known."""

    name: str
    kind: Any = UNKNOWN
    default: Any = UNKNOWN

    def values(self, given: object) -> list[Any]:
        """The value as the builder takes it; several if `given` is a list of values instead.

        Raises:
            ValueError: a value that the option cannot take.
        """
        several = given if isinstance(given, list) else None
        if self.kind is UNKNOWN:
            return [given] if several is None else several
        try:
            return [self._fit(given)]
        except ValueError:
            if not any(self._fits(value) for value in several or ()):
                raise
            return [self._fit(value) for value in several or ()]

    def is_default(self, value: object) -> bool:
        if isinstance(value, (list, tuple)) and isinstance(self.default, (list, tuple)):
            return [*value] == [*self.default]
        return type(value) is type(self.default) and value == self.default

    def _fit(self, value: object) -> Any:
        try:
            return _adapter(self.kind).validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            problem = error.errors()[0]
            place = "".join(f"[{index}]" for index in problem["loc"] if isinstance(index, int))
            reason = f"{problem['msg']}, not {json.dumps(problem['input'], default=str)}"
            raise ValueError(f"{self.name}{place}: {reason}") from None

    def _fits(self, value: object) -> bool:
        try:
            self._fit(value)
        except ValueError:
            return False
        return True


def known(entry: Entry) -> tuple[dict[str, Option], bool]:
    """The options of a net by name, and whether its builder takes others too.

    Classes and functions are not options, since no text stands for them.
    """
    parameters, takes_more = _parameters(entry.make or entry.builder)
    options = {}
    for name, (parameter, is_own) in parameters.items():
        # A builder outside the registry may pass on another value than the default of its class.
        is_sure = is_own or entry.min_size is not None
        kind, default = _kind(parameter), parameter.default if is_sure else UNKNOWN
        if not is_shape(entry, name) and not {kind, get_origin(kind)} & {type, Callable}:
            options[name] = Option(name, kind, default)
    return options, takes_more and not entry.version


def is_shape(entry: Entry, name: str) -> bool:
    """Whether a parameter is no option, because data or protocol decide it."""
    return name in _SHAPE or bool(entry.version and name in _OF_LIBRARIES)


def takes(entry: Entry) -> list[str]:
    """Names of the options that can be given, in the order of the signature."""
    parameters, _ = _parameters(entry.make or entry.builder)
    return [
        name
        for name in known(entry)[0]
        if parameters[name][0].default is not UNKNOWN and not is_set_by_builder(entry, name)
    ]


@cache
def is_set_by_builder(entry: Entry, name: str) -> bool:
    """Whether the builder of a registered net gives its class this argument itself."""
    if entry.min_size is None:
        return False
    make, value = entry.make or entry.builder, known(entry)[0][name].default
    try:
        with torch.device("meta"):
            make(in_channels=1, num_classes=10, image_size=224, **{name: value})
    except Exception as error:
        return given_twice(error) == name
    return False


def given_twice(error: Exception) -> str | None:
    """The argument that a call was refused for because it was given twice, if that is the error."""
    found = re.search(r"multiple values for (?:keyword )?argument '(\w+)'", str(error))
    return found[1] if found and isinstance(error, TypeError) else None


def passes_on(target: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say that the `**kwargs` of a function are keyword arguments of `target`.

    They then stand in the signature of the function, where its options are looked up.
    """

    def mark(function: Any) -> Any:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        names = {parameter.name for parameter in own}
        passed = [p.replace(kind=p.KEYWORD_ONLY) for p, _ in _parameters(target)[0].values()]
        merged = own + [parameter for parameter in passed if parameter.name not in names]
        function.__signature__ = signature.replace(parameters=merged)
        return function

    return mark


@cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


def _kind(parameter: inspect.Parameter) -> Any:
    """The type by which values are checked; without annotation, that of the default."""
    kind, default = parameter.annotation, parameter.default
    if kind in (UNKNOWN, Any):
        number = int | float
        by_type = {bool: bool, int: number, float: number, str: str, tuple: list, list: list}
        return by_type.get(type(default), UNKNOWN)
    try:
        _adapter(kind)
    except (PydanticUserError, NameError, TypeError):
        return UNKNOWN
    return kind


def _parameters(
    make: Callable[..., Any],
) -> tuple[dict[str, tuple[inspect.Parameter, bool]], bool]:
    """Keyword parameters, each with whether it is the function's own; and whether it takes more.

    A function with `**kwargs` passes them on to the class that it is annotated to return.
    """
    try:
        signature = inspect.signature(make, eval_str=True)
    except Exception:  # whatever the evaluation of an annotation raises
        try:
            signature = inspect.signature(make)
        except (TypeError, ValueError):  # code in C has none
            return {}, True
    listed = signature.parameters.values()
    own = {p.name: (p, True) for p in listed if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if not any(p.kind is p.VAR_KEYWORD for p in listed):
        return own, False
    made = signature.return_annotation
    if not (inspect.isclass(made) and issubclass(made, nn.Module)) or made in (nn.Module, make):
        return own, True
    inner, takes_more = _parameters(made)
    return {name: (p, False) for name, (p, _) in inner.items()} | own, takes_more
