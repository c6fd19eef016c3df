"""Nets by name: found, chosen by wildcards, checked and built."""

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import nn

from lit_models import external
from lit_models.registry import CLASSIFICATION, Entry, ModelError, registered


def names(pattern: str = "*") -> list[str]:
    """Names of all registered models that match a shell wildcard, sorted."""
    return sorted(name for name in registered() if fnmatchcase(name, pattern))


def canonical_names(task: str = CLASSIFICATION) -> list[str]:
    """The one canonical member of each architecture for a task, sorted."""
    return sorted(name for name, e in registered().items() if e.canonical and e.task == task)


def entry(name: str) -> Entry:
    """What is known of a net: a registered one, or one of another library (see `external`).

    Raises:
        ModelError: no such model; the message names the nearest.
    """
    if external.is_external(name):
        return external.entry(name)
    if name not in registered():
        raise _unknown(name)
    return registered()[name]


def select(
    patterns: Iterable[str],
    all_names: Iterable[str] | None = None,
    task: str = CLASSIFICATION,
) -> list[str]:
    """Resolve names, wildcards and `all` to model names, in the order asked for, each once.

    Args:
        patterns: such as `["lenet", "resnet*", "torchvision/convnext_*", "package.module:net"]`.
        all_names: what `all` means; the canonical members for the task by default.
        task: a wildcard that matches nets for this task leaves out those for another.

    Raises:
        ModelError: a pattern that matches no model.
    """
    selected: dict[str, None] = {}
    for pattern in patterns:
        if pattern == "all":
            matches = canonical_names(task) if all_names is None else list(all_names)
        elif external.is_external(pattern):
            matches = external.names(pattern)
        else:
            matches = names(pattern)
            matches = [name for name in matches if entry(name).task == task] or matches
        if not matches:
            raise _unknown(pattern)
        selected.update(dict.fromkeys(matches))
    return list(selected)


def check_image_size(name: str, image_size: int) -> None:
    """Refuse images below a registered net's minimum; of others it is not known.

    Raises:
        ModelError: unknown name, or `image_size` below the net's declared minimum.
    """
    least = entry(name).min_size
    if least is not None and image_size < least:
        raise ModelError(f"{name} needs images of at least {least} px, not {image_size} px")


def build(
    name: str, *, in_channels: int = 1, num_classes: int = 10, image_size: int = 224, **options
) -> nn.Module:
    """Build a net.

    Args:
        name: a registered name, see `names()`, or one of another library, see `external`.
        in_channels: channels of the input image.
        num_classes: logits returned an example.
        image_size: height and width of the input in pixels.
        options: passed on to the builder.

    Raises:
        ModelError: unknown name, or images or classes the net cannot be built for.
    """
    check_image_size(name, image_size)
    return entry(name).builder(
        in_channels=in_channels, num_classes=num_classes, image_size=image_size, **options
    )


def _unknown(name: str) -> ModelError:
    close = get_close_matches(name, registered(), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    return ModelError(f"unknown model {name!r}; {hint}`python -m benchmarks list` shows all")
