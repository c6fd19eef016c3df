"""The registry of nets: registered, listed, selected by wildcards, and built by name."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from torch import nn

from lit_models import external, nets
from lit_models.complete import complete
from lit_models.entries import CLASSIFICATION, Entry, ModelError, Published, first_line
from lit_models.mistakes import import_problem
from lit_models.switches import protected
from lit_models.variants import base, parse, variants

ENTRY_POINTS = "cnn_benchmarks.models"

_entries: dict[str, Entry] = {}
_broken: dict[str, str] = {}  # by the name of the file


def register(
    *,
    min_size: int,
    canonical: bool = False,
    task: str = CLASSIFICATION,
    published: Published | None = None,
) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Register a builder under its own name; its module is its architecture.

    The builder takes `in_channels`, `num_classes` and `image_size` by keyword and returns a
    module that maps (N, in_channels, image_size, image_size) to logits: (N, num_classes), or, for
    segmentation, (N, num_classes, image_size, image_size). Its other keyword parameters are the
    options of the net. A builder that takes `**kwargs` passes them on, as they are, to the class
    that it is annotated to return, and the keyword parameters of that class are options too.

    Args:
        min_size: the smallest `image_size` the net supports, in pixels.
        canonical: whether this net represents its architecture.
        task: `CLASSIFICATION` or `SEGMENTATION`.
        published: figures the net must reproduce.

    Raises:
        ValueError: the name is taken, or the architecture already has a canonical net.
    """

    def add(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        entry = Entry(
            builder.__name__,
            builder,
            summary=first_line(builder),
            reference=inspect.getdoc(sys.modules[builder.__module__]) or "",
            module=builder.__module__,
            min_size=min_size,
            canonical=canonical,
            task=task,
            published=published,
        )
        if entry.name in _entries:
            raise ValueError(f"a model named {entry.name!r} is registered already")
        for other in _entries.values():
            if canonical and other.canonical and other.module == entry.module:
                raise ValueError(f"{other.name!r} is the canonical {entry.architecture} already")
        _entries[entry.name] = entry
        return builder

    return add


@cache
def registered() -> dict[str, Entry]:
    """Every registered net by name: those of this package and of installed packages.

    A package adds its nets by an entry point in the group `cnn_benchmarks.models`. The entry point
    names a module that registers them when imported. A file of this package that cannot be imported
    is left out, see `broken`.

    Raises:
        ModelError: the module of an entry point cannot be imported.
    """
    for module in pkgutil.iter_modules(nets.__path__):
        name = f"{nets.__name__}.{module.name}"
        try:
            importlib.import_module(name)
        except Exception as error:
            _broken[module.name] = import_problem(error)
            for own in [each for each in _entries.values() if each.module == name]:
                del _entries[own.name]
    for point in entry_points(group=ENTRY_POINTS):
        try:
            with protected(point.value, importing=True):
                point.load()
        except Exception as error:
            raise ModelError(
                f"the models of {point.value} cannot be loaded ({error}); "
                "fix or uninstall the package that provides them"
            ) from error
    return _entries


def broken() -> list[str]:
    """What is wrong with each file of nets that cannot be imported: a line with file and number."""
    registered()
    return list(_broken.values())


def names(pattern: str = "*") -> list[str]:
    """Names of all registered models that match a shell wildcard, sorted."""
    return sorted(name for name in registered() if fnmatchcase(name, pattern))


def canonical_names(task: str = CLASSIFICATION) -> list[str]:
    """Names of the canonical net of each architecture for a task, sorted."""
    return sorted(name for name, e in registered().items() if e.canonical and e.task == task)


def entry(name: str) -> Entry:
    """The entry of a registered net, or of a net of another library (see `external`).

    Options that the name gives are in the entry's builder, and in its name in canonical form.

    Raises:
        ModelError: no such model, and the message suggests similar names; or options that it does
            not take (see `variants`).
    """
    bare, given = base(name), parse(name)
    if external.is_external(bare):
        found = external.entry(bare)
    elif bare in registered():
        found = registered()[bare]
    else:
        raise _unknown(bare)
    if not given:
        return found
    first, *others = variants(found, given)
    if others:
        raise ModelError(f"{name} stands for {1 + len(others)} models, and only one can be taken")
    return first


def select(
    patterns: Iterable[str],
    all_names: Iterable[str] | None = None,
    task: str = CLASSIFICATION,
) -> list[str]:
    """Resolve names, wildcards and `all` to model names, in the order given, without duplicates.

    Options hold for every net that the text before them selects. The wildcards are `*` and `?`.

    Args:
        patterns: such as `["lenet", "resnet*", "torchvision/convnext_*", "package.module:net",
            "convnet[first_layer_filters=[8,16]]"]`.
        all_names: the models `all` stands for; default: the canonical nets for the task.
        task: a wildcard that matches nets for this task does not select those for another.

    Raises:
        ModelError: a pattern matches no model, or one that does not take its options.
    """
    selected: dict[str, None] = {}
    for asked in patterns:
        pattern, given = base(asked), parse(asked)
        if pattern == "all":
            matches = canonical_names(task) if all_names is None else list(all_names)
        elif external.is_external(pattern):
            matches = external.names(pattern)
        else:
            matches = names(pattern)
            matches = [name for name in matches if entry(name).task == task] or matches
        if not matches:
            raise _unknown(pattern)
        if given:
            matches = [each.name for name in matches for each in variants(entry(name), given)]
        selected.update(dict.fromkeys(matches))
    return list(selected)


def check_image_size(name: str, image_size: int) -> None:
    """Check the image size against the net's minimum; that of an external net is unknown.

    Raises:
        ModelError: unknown name, or `image_size` is below the minimum.
    """
    least = entry(name).min_size
    if least is not None and image_size < least:
        raise ModelError(f"{name} needs images of at least {least} px, not {image_size} px")


def check(name: str, *, in_channels: int, num_classes: int, image_size: int) -> None:
    """Check a net by building and running it on no device.

    Raises:
        ModelError: it cannot be built, or does not fit the images or classes.
    """
    check_image_size(name, image_size)
    external.check(
        entry(name), in_channels=in_channels, num_classes=num_classes, image_size=image_size
    )


def build(
    name: str, *, in_channels: int = 1, num_classes: int = 10, image_size: int = 224, **options: Any
) -> nn.Module:
    """Build a net.

    Args:
        name: a registered name, see `names()`, or one of another library, see `external`; also
            with options, as in `convnet[first_layer_filters=32]`, see `variants`.
        in_channels: channels of the input image.
        num_classes: number of logits per example, or per pixel for segmentation.
        image_size: height and width of the input in pixels.
        options: further options, passed on to the builder as they are.

    Raises:
        ModelError: unknown name, or the net cannot be built for such images or classes.
    """
    check_image_size(name, image_size)
    found = entry(name)
    net = found.builder(
        in_channels=in_channels, num_classes=num_classes, image_size=image_size, **options
    )
    if found.version or found.module.startswith(f"{nets.__name__}."):
        return net
    return complete(net, name, (in_channels, image_size, image_size))


def _unknown(name: str) -> ModelError:
    close = get_close_matches(name, registered(), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    causes = "".join(f"; {line}" for line in broken())
    listed = "`python -m benchmarks list` shows all"
    return ModelError(f"unknown model {name!r}; {hint}{listed}{causes}")
