"""Nets of other libraries, by name.

`torchvision/NAME` and `timm/NAME` are classification nets of these libraries, without pretrained
weights; `package.module:callable` is any callable that returns a module. Channels, classes and
image size are passed on if the callable accepts them. Torchvision's nets take colour images only: a
grey image is repeated to three channels. `check` refuses a net that does not fit the task.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from contextlib import nullcontext
from difflib import get_close_matches
from fnmatch import filter as matching
from functools import partial
from importlib.metadata import version
from operator import attrgetter
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models as torchvision_models

from lit_models.complete import complete, misfit
from lit_models.dry_run import dry_run
from lit_models.entries import SEGMENTATION, Entry, ModelError, first_line, one_line
from lit_models.mistakes import MISTAKES, line_of
from lit_models.switches import protected
from lit_models.variants import base

# Torchvision's nets that have auxiliary classifiers by default
_WITH_AUXILIARY = ("googlenet", "inception_v3")


class GreyToColor(nn.Module):
    """Repeats grey images (N, 1, H, W) to (N, 3, H, W) for a net that takes colour images."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.expand(-1, 3, -1, -1))


def is_external(name: str) -> bool:
    """Whether a name is of the form `library/model` or `package.module:callable`."""
    return "/" in base(name) or ":" in base(name)


def names(pattern: str) -> list[str]:
    """Names of a library's nets that match a shell wildcard; the name of a callable, unchanged.

    Raises:
        ModelError: the library is unknown or not installed, or has no such net.
    """
    if ":" in pattern:
        return [pattern]
    library, _, wanted = pattern.partition("/")
    return [f"{library}/{name}" for name in matching(_library(library), wanted)] or [
        entry(pattern).name
    ]


def entry(name: str) -> Entry:
    """The entry of an external net.

    Raises:
        ModelError: the net cannot be found; the message names the missing part.
    """
    if ":" in name:
        return _callable(name)
    library, _, model = name.partition("/")
    known = _library(library)
    if model not in known:
        close = get_close_matches(model, known, n=3, cutoff=0.5)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ModelError(f"{library} has no classification model {model!r}{hint}")
    return _torchvision(model) if library == "torchvision" else _timm(model)


def check(entry: Entry, *, in_channels: int, num_classes: int, image_size: int) -> None:
    """Build a net and run it on two images, without arithmetic where it permits that.

    Raises:
        ModelError: it cannot be built, or does not map (2, in_channels, image_size, image_size) to
            (2, num_classes), for segmentation (2, num_classes, image_size, image_size).
    """
    name, shape = entry.name, (in_channels, image_size, image_size)
    # Registered nets need no weights for this; other nets may compute with theirs when built.
    with nullcontext() if entry.min_size is None else torch.device("meta"):
        try:
            net = entry.builder(
                in_channels=in_channels, num_classes=num_classes, image_size=image_size
            )
        except ModelError:
            raise
        except MISTAKES as error:
            reason = f"{one_line(error)}, at {line_of(error)}"
            raise ModelError(f"{name} cannot be built: {reason}") from error
        net = complete(net, name, shape)
    sizes = (image_size, image_size) if entry.task == SEGMENTATION else ()
    expected = (2, num_classes, *sizes)
    for training in (True, False):
        try:
            with torch.no_grad():
                output = dry_run(net, shape, lambda f: f(f.images(2)), training=training)
        except MISTAKES as error:
            raise misfit(name, shape, error) from error
        if training and isinstance(output, tuple) and hasattr(net, "auxiliary_weight"):
            output = output[0]
        if not isinstance(output, Tensor) or output.shape != expected:
            found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ModelError(f"{name} returns {found} for two images, not logits {expected}")


def _library(library: str) -> list[str]:
    """Names of the classification nets of a library."""
    if library == "torchvision":
        return torchvision_models.list_models(module=torchvision_models)
    if library == "timm":
        return _import_timm().list_models()
    raise ModelError(f"unknown library {library!r}; it may be torchvision or timm")


def _import_timm() -> ModuleType:
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise ModelError("models of timm need timm; install it by `pip install timm`") from None


def _torchvision(model: str) -> Entry:
    make = partial(torchvision_models.get_model_builder(model), weights=None)
    if model in _WITH_AUXILIARY:
        make = partial(make, aux_logits=False, init_weights=True)

    def builder(in_channels: int, num_classes: int, image_size: int, **options: Any) -> nn.Module:
        # Only transformers take an image size, under one of these two names.
        sizes = {"image_size": image_size, "input_size": (image_size, image_size)}
        net = _of_library(
            f"torchvision/{model}", make, {"num_classes": num_classes, **sizes}, options
        )
        return GreyToColor(net) if in_channels == 1 else net

    return Entry(
        f"torchvision/{model}",
        builder,
        summary=f"torchvision's {model}",
        reference=f"{inspect.getdoc(make.func)}\n\nGrey images are repeated to three channels.",
        module=make.func.__module__,
        version=version("torchvision"),
        make=make,
    )


def _timm(model: str) -> Entry:
    timm = _import_timm()
    make = partial(timm.create_model, model, pretrained=False)

    def builder(in_channels: int, num_classes: int, image_size: int, **options: Any) -> nn.Module:
        arguments = {"in_chans": in_channels, "num_classes": num_classes, "img_size": image_size}
        return _of_library(f"timm/{model}", make, arguments, options)

    architecture = timm.models.model_entrypoint(model)
    return Entry(
        f"timm/{model}",
        builder,
        summary=f"timm's {model}",
        reference=inspect.getdoc(architecture) or "",
        module=architecture.__module__,
        version=timm.__version__,
        make=architecture,
    )


def _callable(name: str) -> Entry:
    module_name, _, attribute = name.partition(":")
    try:
        with protected(module_name, importing=True):
            module = importlib.import_module(module_name)
        make = attrgetter(attribute)(module)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"model {name!r} cannot be found: {error}") from None
    if not callable(make):
        raise ModelError(f"model {name!r} is not callable; it must return a module")

    def builder(in_channels: int, num_classes: int, image_size: int, **options: Any) -> nn.Module:
        shape = {"in_channels": in_channels, "num_classes": num_classes, "image_size": image_size}
        with protected(name):
            net = _call(name, make, shape, options)
        if not isinstance(net, nn.Module):
            raise ModelError(f"model {name!r} returns {type(net).__name__}, not a module")
        return net

    return Entry(
        name,
        builder,
        summary=first_line(make) or name,
        reference=inspect.getdoc(module) or "",
        module=module_name,
        make=make,
    )


def _call(
    name: str, make: Callable[..., nn.Module], shape: dict[str, Any], options: dict[str, Any]
) -> nn.Module:
    """Call `make`, leaving out each size that it, or a function it calls, does not accept."""
    shape = dict(shape)
    while True:
        try:
            return make(**shape, **options)
        except TypeError as error:
            refused = re.search(r"unexpected keyword argument\S* \[?'(\w+)'", str(error))
            if refused is not None and refused[1] in shape:
                del shape[refused[1]]
            elif (trace := error.__traceback__) is None or trace.tb_next is None:  # not entered
                raise ModelError(f"model {name!r} cannot be called: {error}") from None
            else:
                raise


def _of_library(
    name: str, make: Callable[..., nn.Module], shape: dict[str, Any], options: dict[str, Any]
) -> nn.Module:
    """As `_call`; an error that the library raises counts as a refusal of the arguments."""
    try:
        return _call(name, make, shape, options)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ModelError(f"{name} cannot be built: {one_line(error)}") from error
