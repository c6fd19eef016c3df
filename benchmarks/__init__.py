"""The experiment: what is run, how it is timed, what is reported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def load_trained(record: str | Path) -> nn.Module:
    """The trained net of a run in eval mode, on the CPU.

    Args:
        record: a record, `runs/<run>.json`, or the weights themselves, `weights/<run>.safetensors`.

    Raises:
        ModelError: the net cannot be built here.
        UsageError: no such file, another kind of file, a damaged one, or other weights.
    """
    from benchmarks import trained

    net, _ = trained.load(Path(record))
    return net
