"""Which pixels the positions of a tensor see, along one axis of the image."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Axis:
    """The first and the last pixel that each position of a map sees, along height or width.

    They repeat: position i + len(first) sees what i sees, `shift` pixels further. That is exact for
    strides, dilation and upsampling, and goes on beyond the borders, so that padding shifts
    positions and adds nothing. A position that sees no pixel, as a transposed convolution with a
    stride above its kernel size leaves them, has first = inf and last = -inf.
    """

    first: tuple[float, ...]
    last: tuple[float, ...]
    shift: int

    @property
    def size(self) -> int:
        """Pixels from the first to the last that one position sees, the most of any position."""
        return max(last - first for first, last in zip(self.first, self.last, strict=True)) + 1

    @property
    def jump(self) -> float:
        """Pixels between neighbouring positions, on average."""
        return self.shift / len(self.first)

    @property
    def offset(self) -> float:
        """Centre of what position 0 sees; pixel 0 reaches from 0 to 1."""
        return (self.first[0] + self.last[0] + 1) / 2

    def bounds(self, position: int) -> tuple[float, float]:
        """The first and the last pixel one position sees, which may lie outside the image."""
        turns, rest = divmod(position, len(self.first))
        return self.first[rest] + turns * self.shift, self.last[rest] + turns * self.shift

    def read(self, taps: Callable[[int], Iterable[int]], period: int = 1, step: int = 1) -> "Axis":
        """The axis of a map whose position i reads the positions `taps(i)` of this one.

        Position i + period must read what i reads, `step` positions further.
        """
        turns = len(self.first) // math.gcd(step, len(self.first))
        seen = [[self.bounds(tap) for tap in taps(i)] for i in range(period * turns)]
        return Axis(
            first=tuple(min((first for first, _ in bounds), default=math.inf) for bounds in seen),
            last=tuple(max((last for _, last in bounds), default=-math.inf) for bounds in seen),
            shift=self.shift * step * turns // len(self.first),
        )

    @staticmethod
    def union(axes: list["Axis"]) -> "Axis | None":
        """The axis of a map whose position i reads position i of several; None: they drift."""
        if len({axis.jump for axis in axes}) > 1:
            return None
        period = math.lcm(*(len(axis.first) for axis in axes))
        seen = [[axis.bounds(i) for axis in axes] for i in range(period)]
        return Axis(
            first=tuple(min(first for first, _ in bounds) for bounds in seen),
            last=tuple(max(last for _, last in bounds) for bounds in seen),
            shift=axes[0].shift * period // len(axes[0].first),
        )


@dataclass(frozen=True)
class Trace:
    """Where an image axis lies in a tensor, and what its positions see.

    The position of an element is `index // stride % size`, its index being that along `dim`, which
    counts from the last dimension, -1. `stride` is above 1 where a reshape has merged dimensions;
    the place of a single position (`size` 1) may be lost to one, and comes back with the shape.
    `sees_all`: by a path over all positions every element sees the whole image. With `axis` None
    there is no other path, and no position.
    """

    axis: Axis | None
    dim: int = 0
    size: int = 0
    stride: int = 1
    sees_all: bool = False

    def fills(self, tensor: Tensor) -> bool:
        """Whether a dimension of the tensor is this axis and nothing else."""
        here = -self.dim <= tensor.dim() and tensor.shape[self.dim] == self.size
        return here and self.stride == 1


LOST = Trace(axis=None, sees_all=True)
Traces = tuple[Trace, Trace]


def is_map(tensor: Tensor, traces: Traces) -> bool:
    """Whether the tensor has a place for each position: one dimension each, or one for both."""
    return all(
        trace.axis is not None
        and -trace.dim <= tensor.dim()
        and math.prod(t.size for t in traces if t.dim == trace.dim) == tensor.shape[trace.dim]
        for trace in traces
    )
