"""The register of architectures: every net by name, with what must be known before it is built."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import nn

# These hold LightningModules, not architectures; importing them would import lightning.
_NOT_ARCHITECTURES = {"classifier", "segmenter"}

CLASSIFICATION, SEGMENTATION = "classification", "segmentation"

_entries: dict[str, "Entry"] = {}


class ModelError(ValueError):
    """A model that cannot be had: unknown name, or an image below the net's minimum size."""


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
    """One registered net. `canonical` marks the member that stands for its architecture."""

    name: str
    builder: Callable[..., nn.Module]
    architecture: str
    min_size: int
    canonical: bool
    task: str
    published: Published | None

    @property
    def summary(self) -> str:
        """The first line of the builder's docstring."""
        return (self.builder.__doc__ or "").strip().split("\n")[0]

    @property
    def reference(self) -> str:
        """The docstring of the paper's module: source and every deviation from it."""
        return (importlib.import_module(self.builder.__module__).__doc__ or "").strip()


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
        min_size: the smallest `image_size` the net can take, in pixels.
        canonical: whether this is the member that stands for its architecture.
        task: `CLASSIFICATION` or `SEGMENTATION`.
        published: figures the net must reproduce.

    Raises:
        ValueError: the name is taken, or the architecture has a canonical member already.
    """

    def add(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        name = builder.__name__
        architecture = builder.__module__.rpartition(".")[2]
        entry = Entry(name, builder, architecture, min_size, canonical, task, published)
        if name in _entries:
            raise ValueError(f"a model named {name!r} is registered already")
        for other in _entries.values():
            if canonical and other.canonical and other.architecture == entry.architecture:
                raise ValueError(f"{other.name!r} is the canonical {entry.architecture} already")
        _entries[name] = entry
        return builder

    return add


def _registered() -> dict[str, Entry]:
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in _NOT_ARCHITECTURES:
            importlib.import_module(f"{__package__}.{module.name}")
    return _entries


def names(pattern: str = "*") -> list[str]:
    """Names of all registered models that match a shell wildcard, sorted."""
    return sorted(name for name in _registered() if fnmatchcase(name, pattern))


def canonical_names(task: str = CLASSIFICATION) -> list[str]:
    """The one canonical member of each architecture for a task, sorted."""
    return sorted(name for name, e in _registered().items() if e.canonical and e.task == task)


def entry(name: str) -> Entry:
    """The registered net of that name.

    Raises:
        ModelError: no such model; the message names the nearest.
    """
    registered = _registered()
    if name not in registered:
        raise ModelError(f"unknown model {name!r}; {_nearest(name, registered)}")
    return registered[name]


def select(
    patterns: Iterable[str],
    all_names: Iterable[str] | None = None,
    task: str = CLASSIFICATION,
) -> list[str]:
    """Resolve names, wildcards and `all` to model names, in the order asked for, each once.

    Args:
        patterns: such as `["lenet", "resnet*"]`.
        all_names: what `all` means; the canonical members for the task by default.
        task: a wildcard that matches nets for this task leaves out those for another.

    Raises:
        ModelError: a pattern that matches no registered model.
    """
    selected: dict[str, None] = {}
    for pattern in patterns:
        if pattern == "all":
            matches = canonical_names(task) if all_names is None else list(all_names)
        else:
            matches = names(pattern)
            matches = [name for name in matches if entry(name).task == task] or matches
        if not matches:
            raise ModelError(f"unknown model {pattern!r}; {_nearest(pattern, _registered())}")
        selected.update(dict.fromkeys(matches))
    return list(selected)


def check_image_size(name: str, image_size: int) -> None:
    """Refuse images a model cannot take.

    Raises:
        ModelError: unknown name, or `image_size` below the net's declared minimum.
    """
    if image_size < (least := entry(name).min_size):
        raise ModelError(f"{name} needs images of at least {least} px, not {image_size} px")


def build(
    name: str, *, in_channels: int = 1, num_classes: int = 10, image_size: int = 224, **options
) -> nn.Module:
    """Build a registered net.

    Args:
        name: a registered name, see `names()`.
        in_channels: channels of the input image.
        num_classes: logits returned an example.
        image_size: height and width of the input in pixels.
        options: passed on to the builder.

    Raises:
        ModelError: unknown name, or `image_size` below the net's declared minimum.
    """
    check_image_size(name, image_size)
    return entry(name).builder(
        in_channels=in_channels, num_classes=num_classes, image_size=image_size, **options
    )


def _nearest(name: str, registered: Iterable[str]) -> str:
    close = get_close_matches(name, registered, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    return f"{hint}`python -m benchmarks list` shows all"
