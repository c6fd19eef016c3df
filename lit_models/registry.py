"""The register of nets: what must be known of each before it is built."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from torch import nn

from lit_models import nets

ENTRY_POINTS = "cnn_benchmarks.models"

CLASSIFICATION, SEGMENTATION = "classification", "segmentation"

_entries: dict[str, "Entry"] = {}


def first_line(documented: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(documented) or "").split("\n")[0]


class ModelError(ValueError):
    """A model that cannot be had: an unknown name, or images or classes it cannot work with."""


@dataclass(frozen=True)
class Published:
    """Figures published for a net, by whom, and for which input.

    `module` names the part they are for; empty: the whole net. MACs are for one image.
    """

    source: str
    parameters: int
    macs: int | None = None
    in_channels: int = 3
    num_classes: int = 1000
    image_size: int = 224
    module: str = ""


@dataclass(frozen=True)
class Entry:
    """One net that can be built by name. `canonical` marks the member that stands for its paper.

    `summary` is a line, `reference` the source and every deviation from it; `module` holds the code
    of the net, of a version if it is a library's. `min_size` is None where it is not known.
    """

    name: str
    builder: Callable[..., nn.Module]
    summary: str
    reference: str
    module: str
    min_size: int | None = None
    canonical: bool = False
    task: str = CLASSIFICATION
    published: Published | None = None
    version: str = ""

    @property
    def architecture(self) -> str:
        return self.module.rpartition(".")[2]


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
    segmentation, (N, num_classes, image_size, image_size).

    Args:
        min_size: the smallest `image_size` the net is offered for, in pixels.
        canonical: whether this is the member that stands for its architecture.
        task: `CLASSIFICATION` or `SEGMENTATION`.
        published: figures the net must reproduce.

    Raises:
        ValueError: the name is taken, or the architecture has a canonical member already.
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
    """Every registered net: those of this package, and those of installed packages.

    A package adds its own by an entry point in the group `cnn_benchmarks.models` that names a
    module; importing the module registers them.

    Raises:
        ModelError: the module of an entry point cannot be imported.
    """
    for module in pkgutil.iter_modules(nets.__path__):
        importlib.import_module(f"{nets.__name__}.{module.name}")
    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception as error:
            raise ModelError(
                f"the models of {point.value} cannot be loaded ({error}); "
                "mend or uninstall the package that brings them"
            ) from error
    return _entries
