"""The pixels that the positions of a tensor see along one axis of the image."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Axis:
    """The first and the last pixel that each position of a map sees, along height or width.

    The pattern is periodic: position i + len(first) sees the pixels of position i, shifted by
    `shift`. This is exact for strides, dilation and upsampling. Pixels extend beyond the borders,
    so padding only shifts positions. A position that sees no pixel has first = inf and last = -inf:
    a transposed convolution with a stride above its kernel size makes such positions.
    """

    first: tuple[float, ...]
    last: tuple[float, ...]
    shift: int

    @property
    def size(self) -> float:
        """Pixels from the first to the last seen by one position; the maximum over positions."""
        return max(last - first for first, last in zip(self.first, self.last, strict=True)) + 1

    @property
    def jump(self) -> float:
        """Pixels between neighbouring positions, on average."""
        return self.shift / len(self.first)

    @property
    def offset(self) -> float:
        """Centre of the field of position 0; pixel 0 spans 0 to 1."""
        return (self.first[0] + self.last[0] + 1) / 2

    def bounds(self, position: int) -> tuple[float, float]:
        """The first and the last pixel one position sees; they may lie outside the image."""
        turns, rest = divmod(position, len(self.first))
        return self.first[rest] + turns * self.shift, self.last[rest] + turns * self.shift

    def read(self, taps: Callable[[int], Iterable[int]], period: int = 1, step: int = 1) -> "Axis":
        """The axis of a map whose position i reads the positions `taps(i)` of this one.

        Position i + period must read the same positions as i, shifted by `step`.
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
        """The axis of a map whose position i reads position i of each; None: unequal jumps."""
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
    """The place of an image axis in a tensor, and the pixels its positions see.

    An element with index i along `dim` (negative, counted from the last dimension) has position
    `i // stride % size`. `stride` is above 1 after a reshape that merged dimensions. With a single
    position (`size` 1), `dim` may be wrong between two reshapes. `sees_all`: every element sees the
    whole image through a path over all positions. `axis` None: there is no other path, and elements
    have no position.
    """

    axis: Axis | None
    dim: int = 0
    size: int = 0
    stride: int = 1
    sees_all: bool = False

    def fills(self, tensor: Tensor) -> bool:
        """Whether dimension `dim` of the tensor is exactly this axis."""
        here = -self.dim <= tensor.dim() and tensor.shape[self.dim] == self.size
        return here and self.stride == 1


LOST = Trace(axis=None, sees_all=True)
Traces = tuple[Trace, Trace]


def is_map(tensor: Tensor, traces: Traces) -> bool:
    """Whether the tensor has one dimension for each axis, or one dimension for both."""
    return all(
        trace.axis is not None
        and -trace.dim <= tensor.dim()
        and math.prod(t.size for t in traces if t.dim == trace.dim) == tensor.shape[trace.dim]
        for trace in traces
    )
