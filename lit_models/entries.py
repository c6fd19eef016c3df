"""The description of a net that can be built by name."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

CLASSIFICATION, SEGMENTATION = "classification", "segmentation"


class ModelError(ValueError):
    """A model that cannot be built: an unknown name, or unsupported images, classes or options."""


@dataclass(frozen=True)
class Published:
    """Figures published for a net, their source, and the input they were published for.

    `module` names the submodule they describe; empty: the whole net. MACs are for one image.
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
    """One net that can be built by name. `canonical` marks the representative of its architecture.

    `summary` is one line; `reference` is the source and every deviation from it. `module` holds the
    net's code, `version` is that of its library. `min_size` is in pixels, None if unknown. The
    keyword parameters of `make`, by default the builder, are the net's options; `options` are those
    that its name gives.
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
    make: Callable[..., nn.Module] | None = None
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def architecture(self) -> str:
        return self.module.rpartition(".")[2]


def first_line(documented: object) -> str:
    """The first line of a docstring, or an empty string."""
    return (inspect.getdoc(documented) or "").split("\n")[0]


def one_line(message: object) -> str:
    """An error's message on one line of at most 200 characters."""
    return (" ".join(str(message).split()) or type(message).__name__)[:200]
