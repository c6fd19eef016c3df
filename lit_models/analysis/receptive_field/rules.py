"""How operations map positions: one rule per operation, and one for all elementwise operations."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from torch import Tensor

from lit_models.analysis.receptive_field.axis import LOST, Axis, Trace
from lit_models.entries import ModelError


class TracingError(ModelError):
    """Positions cannot be followed through an operation; the message names it."""


@dataclass(frozen=True)
class Call:
    """One executed operation: its name, its arguments by name, and one of its outputs."""

    name: str
    pointwise: bool
    arguments: dict[str, Any]
    out: Tensor

    def follow(self, sources: list[tuple[Tensor, Trace]]) -> Trace | None:
        """The trace of `out` from the traces of its inputs; None: there is no rule."""
        located = [(tensor, trace) for tensor, trace in sources if trace.axis is not None]
        if not located:
            return LOST
        if self.pointwise or self.name in _POINTWISE:
            followed = self._joined(located)
        elif self.name == "cat":
            dim = self["dim"] - (self["dim"] >= 0) * self.out.dim()
            along = any(trace.dim == dim for _, trace in located)
            followed = None if along else self._joined(located)
        elif len(located) == 1 and self.name in _RULES:
            (tensor, trace) = located[0]
            followed = _RULES[self.name](self, tensor, trace)
        else:
            return None
        sees_all = any(trace.sees_all for _, trace in sources)
        return followed and replace(followed, sees_all=followed.sees_all or sees_all)

    def _joined(self, located: list[tuple[Tensor, Trace]]) -> Trace | None:
        """The trace of an elementwise operation with broadcasting."""
        traces = [
            trace
            for tensor, trace in located
            if trace.size > 1 or not trace.fills(tensor) or trace.fills(self.out)
        ]
        if not traces:
            return LOST  # one position, broadcast over many
        if len({(trace.dim, trace.size, trace.stride) for trace in traces}) > 1:
            return None
        axis = Axis.union([trace.axis for trace in traces if trace.axis])
        if axis is None:
            raise TracingError(
                f"maps of unequal jumps meet in {self.name!r}, so field sizes vary by position; "
                "choose an image size that is divisible by all strides"
            )
        return replace(traces[0], axis=axis, sees_all=len(traces) < len(located))

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]

    def dims(self, tensor: Tensor) -> set[int]:
        """The argument `dim` as negative dimensions; all dimensions if it is not given."""
        dims = self.arguments.get("dim")
        dims = [dims] if isinstance(dims, int) else dims or range(tensor.dim())
        return {dim - (dim >= 0) * tensor.dim() for dim in dims}

    def along(self, argument: str, trace: Trace, default: str = "") -> Any:
        """The value for this axis of an argument with one value per spatial dimension."""
        values = self[argument] or self[default]
        return values[trace.dim] if len(values) > 1 else values[0]

    def read(self, tensor: Tensor, trace: Trace, *reading: Any) -> Trace | None:
        """The trace if `out` reads along the axis; `reading` is passed to `Axis.read`."""
        if trace.axis is None or not trace.fills(tensor):
            return None
        return replace(trace, axis=trace.axis.read(*reading), size=self.out.shape[trace.dim])


def _same(call: Call, tensor: Tensor, trace: Trace) -> Trace:
    return trace


def _reshape(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    if trace.size == 1:
        return trace  # a later reshape restores the dimension
    stride = trace.stride * _elements_after(tensor, trace.dim)
    for dim in range(-call.out.dim(), 0):
        inner, rest = divmod(stride, _elements_after(call.out, dim))
        if rest == 0 and inner * trace.size <= call.out.shape[dim]:
            return replace(trace, dim=dim, stride=inner)
    return None


def _elements_after(tensor: Tensor, dim: int) -> int:
    return math.prod(tensor.shape[tensor.dim() + dim + 1 :])


def _permute(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    order = list(range(-tensor.dim(), 0))
    if call.name == "permute":
        order = [order[dim] for dim in call["dims"]]
    else:
        first, second = (0, -1) if call.name == "t" else (call["dim0"], call["dim1"])
        order[first], order[second] = order[second], order[first]
    if trace.dim not in order:
        return None
    return replace(trace, dim=order.index(trace.dim) - tensor.dim())


def _reduce(call: Call, tensor: Tensor, trace: Trace) -> Trace:
    dims = call.dims(tensor)
    if trace.dim in dims:
        return LOST
    if call.arguments.get("keepdim"):
        return trace
    return replace(trace, dim=trace.dim + sum(dim > trace.dim for dim in dims))


def _select(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    return (
        None if trace.dim in call.dims(tensor) and trace.size > 1 else _reduce(call, tensor, trace)
    )


def _split(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    return None if trace.dim in call.dims(tensor) else trace


def _slice(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    if trace.dim not in call.dims(tensor):
        return trace
    start = call["start"] or 0
    start = max(0, start + trace.size) if start < 0 else start
    step = call["step"]
    return call.read(tensor, trace, lambda i: (start + i * step,), 1, step)


def _pad(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    pad = call.arguments.get("pad") or call["padding"]
    before = pad[2 * (-trace.dim - 1) :][:1]
    return call.read(tensor, trace, lambda i: (i - before[0],)) if before else trace


def _convolve(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    kernel = call["weight"].shape[2:]
    if -trace.dim == len(kernel) + 2:
        return trace  # the batch
    if -trace.dim > len(kernel):
        return None
    stride, padding, dilation = (
        call.along(name, trace) for name in ("stride", "padding", "dilation")
    )
    offsets = [tap * dilation - padding for tap in range(kernel[trace.dim])]
    if not call["transposed"]:
        return call.read(tensor, trace, lambda i: [i * stride + o for o in offsets], 1, stride)
    return call.read(
        tensor,
        trace,
        lambda i: [(i - o) // stride for o in offsets if (i - o) % stride == 0],
        stride,
    )


def _pool(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    if -trace.dim > len(call["kernel_size"]):
        return trace
    kernel, padding = (call.along(name, trace) for name in ("kernel_size", "padding"))
    stride = call.along("stride", trace, "kernel_size")
    dilation = call.along("dilation", trace) if "dilation" in call.arguments else 1
    window = range(-padding, kernel * dilation - padding, dilation)
    return call.read(tensor, trace, lambda i: [i * stride + tap for tap in window], 1, stride)


def _pool_to_size(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    if -trace.dim > len(call["output_size"]):
        return trace
    size, out_size = trace.size, call.along("output_size", trace)
    if out_size == 1:
        return LOST
    divisor = math.gcd(size, out_size)
    return call.read(
        tensor,
        trace,
        lambda i: range(i * size // out_size, -(-(i + 1) * size // out_size)),
        out_size // divisor,
        size // divisor,
    )


def _interpolate(call: Call, tensor: Tensor, trace: Trace) -> Trace | None:
    if trace.dim < -2:
        return trace
    out_size = call.out.shape[trace.dim]
    scale = call["scales_h" if trace.dim == -2 else "scales_w"]
    corners = call.arguments.get("align_corners")
    if corners:
        ratio = Fraction(trace.size - 1, max(out_size - 1, 1))
    elif scale:
        ratio = 1 / Fraction(scale).limit_denominator(1000)
    else:
        ratio = Fraction(trace.size, out_size)
    centre = Fraction(0 if corners or call.name == "upsample_nearest2d" else 1, 2)

    def taps(i: int) -> tuple[int, ...]:
        place = (i + centre) * ratio
        if "nearest" in call.name:
            return (math.floor(place),)
        return math.floor(place - centre), math.ceil(place - centre)

    return call.read(tensor, trace, taps, ratio.denominator, ratio.numerator)


def _normalise(call: Call, tensor: Tensor, trace: Trace) -> Trace:
    """Means and variances act as gates: through them elements see all that they are taken over."""
    if call.name == "native_layer_norm":
        pooled = -trace.dim <= len(call["normalized_shape"])
    elif call.name.endswith("softmax"):
        pooled = trace.dim in call.dims(tensor)
    else:
        pooled = call.arguments.get("training", call.name == "native_group_norm")
    return replace(trace, sees_all=trace.sees_all or pooled)


def _multiply_matrices(call: Call, tensor: Tensor, trace: Trace) -> Trace:
    summed = -2 if tensor is call.arguments["mat2"] else -1
    # A single position whose dimension is unknown is not summed over.
    lost = trace.dim == summed and (trace.size > 1 or trace.fills(tensor))
    return LOST if lost else trace


# Elementwise operations and copies that PyTorch does not tag as pointwise
_POINTWISE = {
    "_prelu_kernel",
    "_to_copy",
    "alias",
    "copy",
    "detach",
    "expand",
    "hardswish",
    "lift_fresh",
    "log_sigmoid_forward",
    "mish",
    "rrelu_with_noise",
}

_RULES: dict[str, Callable[[Call, Tensor, Trace], Trace | None]] = {
    name: rule
    for rule, names in {
        _same: "channel_shuffle",
        _reshape: "view _unsafe_view reshape unsqueeze squeeze",
        _permute: "permute transpose t",
        _reduce: "mean sum amax amin max min std var logsumexp linalg_vector_norm",
        _select: "select unbind",
        _split: "split split_with_sizes",
        _slice: "slice",
        _pad: "constant_pad_nd reflection_pad2d replication_pad2d",
        _convolve: "convolution",
        _pool: "max_pool2d_with_indices avg_pool2d avg_pool3d",
        _pool_to_size: "_adaptive_avg_pool2d adaptive_max_pool2d",
        _interpolate: "upsample_nearest2d _upsample_nearest_exact2d upsample_bilinear2d",
        _normalise: "native_batch_norm native_group_norm native_layer_norm "
        "_softmax _log_softmax _safe_softmax",
        _multiply_matrices: "mm addmm bmm",
    }.items()
    for name in names.split()
}
