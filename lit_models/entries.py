"""The description of a net that can be built by name."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

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
    """One net that can be built by name.

    Attributes:
        name: the name to build it by.
        builder: takes `in_channels`, `num_classes` and `image_size` by keyword; returns the net.
        summary: one line.
        reference: the source and every deviation from it.
        module: the module that holds the net's code.
        min_size: the smallest image size in pixels; None: unknown.
        canonical: whether this net represents its architecture.
        task: `CLASSIFICATION` or `SEGMENTATION`.
        published: figures the net must reproduce.
        version: of the library the net is from; empty for the nets of this package.
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
        """The last part of the module's name."""
        return self.module.rpartition(".")[2]


def first_line(documented: object) -> str:
    """The first line of a docstring, or an empty string."""
    return (inspect.getdoc(documented) or "").split("\n")[0]
