"""The exact theoretical receptive field of each layer of a net.

A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill, 2019. Fields are followed through the dispatched operations instead of a list of layers, so
branches, functional calls and slices are included. Where paths meet, the field spans from the first
pixel of any path to the last.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from lit_models.analysis.layers import layers_of
from lit_models.analysis.receptive_field.axis import LOST, Axis, Trace, Traces, is_map
from lit_models.analysis.receptive_field.rules import Call, TracingError
from lit_models.dry_run import Forward, dry_run

Length = float | tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Field:
    """The pixels that the positions of a map see, over all channels.

    `height` and `width` describe the paths that preserve position: convolutions, pooling, resizing.
    Both are None if the output is not a map, as after global pooling, flattening or a linear layer.
    `sees_all` is true if a position sees the whole image. This holds for every output that depends
    on the image and is not a map, and for a map behind a gate such as squeeze-and-excitation or a
    mean over all positions; such a map keeps the field of its other paths.

    `size`, `jump` and `offset` are in pixels: (height, width) if these differ, None if the output
    is not a map.
    """

    height: Axis | None
    width: Axis | None
    sees_all: bool

    @property
    def axes(self) -> tuple[Axis, Axis] | None:
        """`height` and `width`; None if the output is not a map."""
        return None if self.height is None or self.width is None else (self.height, self.width)

    @property
    def size(self) -> Length | None:
        """Pixels from the first to the last seen, including padding beyond the borders."""
        return self._of_both(lambda axis: axis.size)

    @property
    def jump(self) -> Length | None:
        """Distance between the fields of neighbouring positions: the product of the strides."""
        return self._of_both(lambda axis: axis.jump)

    @property
    def offset(self) -> Length | None:
        """Centre of the field of the first position; pixel 0 spans 0 to 1."""
        return self._of_both(lambda axis: axis.offset)

    def _of_both(self, value: Callable[[Axis], Any]) -> Any:
        if self.axes is None:
            return None
        height, width = map(value, self.axes)
        return height if height == width else (height, width)


@dataclass(frozen=True, kw_only=True)
class LayerField(Field):
    """The field of the output of one call of a module."""

    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class ReceptiveField(Field):
    """The field of a net and of its layers; the layers are those of `lit_models.cost`, in order.

    The field of a net is that of its output, or of the last map it computes if the output is not a
    map.
    """

    layers: tuple[LayerField, ...]


def receptive_field(module: nn.Module, image_size: int, in_channels: int = 1) -> ReceptiveField:
    """Compute the field of each layer of `module` for images (in_channels, image_size, image_size).

    Runs without arithmetic where the net permits it, and leaves `module` unchanged. Fields are
    those of a position far from the borders, independent of the image size.

    Raises:
        TracingError: positions cannot be followed through an operation.
    """
    return trace(module, image_size, in_channels, layers_of(module))


def trace(
    module: nn.Module, image_size: int, in_channels: int, watched: dict[nn.Module, str]
) -> ReceptiveField:
    """As `receptive_field`; `layers` are the calls of `watched` modules in order of completion."""

    def follow(forward: Forward) -> ReceptiveField:
        image = forward.images(1)
        tracer = Tracer(image)
        layers: list[LayerField] = []

        def after(layer: nn.Module, args: tuple, output: Any) -> None:
            kind = type(layer).__name__
            layers.append(LayerField(**_field(tracer, output), name=watched[layer], kind=kind))

        for layer in watched:
            layer.register_forward_hook(after)
        with tracer, torch.no_grad():
            field = _field(tracer, forward(image))
        if field["height"] is None:
            field = _of(tracer.last_map)
        return ReceptiveField(**field, layers=tuple(layers))

    return dry_run(module, (in_channels, image_size, image_size), follow)


def _field(tracer: "Tracer", output: Any) -> dict[str, Any]:
    """The arguments of a Field for the first tensor of an output."""
    tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    traces = tracer[tensors[0]] if tensors else None
    if traces is None:
        return {"height": None, "width": None, "sees_all": False}
    return _of(traces if is_map(tensors[0], traces) else (LOST, LOST))


def _of(traces: Traces) -> dict[str, Any]:
    height, width = traces
    sees_all = height.sees_all or width.sees_all
    return {"height": height.axis, "width": width.axis, "sees_all": sees_all}


class Tracer(TorchDispatchMode):
    """While active, records the traces of height and width of every tensor that sees `image`.

    An operation that mixes positions and has no rule raises TracingError.

    Args:
        image: (N, C, H, W) on any device; on `meta` no arithmetic is done.
    """

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self._traces = WeakTensorKeyDictionary()
        pixels = Axis((0,), (0,), 1)
        self._traces[image] = tuple(Trace(pixels, dim, image.shape[dim]) for dim in (-2, -1))
        self.last_map: Traces = self._traces[image]

    def __getitem__(self, tensor: Tensor) -> Traces | None:
        """Traces of height and width; None for a tensor that does not depend on the image."""
        return self._traces.get(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        sources = [
            leaf
            for leaf in tree_leaves((args, kwargs))
            if isinstance(leaf, Tensor) and leaf in self._traces
        ]
        output = func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::").rstrip("_")
        if not sources or name.startswith("new_") or name.endswith("_like"):
            return output
        # Of several outputs, as of max and its indices, only the first depends on pixel values.
        outputs = output if isinstance(output, list) else tree_leaves(output)[:1]
        names = [argument.name for argument in func._schema.arguments]
        defaults = {a.name: a.default_value for a in func._schema.arguments}
        arguments = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
        for out in outputs:
            call = Call(name, torch.Tag.pointwise in func.tags, arguments, out)
            height, width = (
                call.follow([(s, self._traces[s][axis]) for s in sources]) for axis in (0, 1)
            )
            # A write into a view would not update the traces of the whole tensor.
            is_part = func._schema.is_mutable and out._is_view()
            if height is None or width is None or (is_part and self[out] != (height, width)):
                shapes = " and ".join(str(tuple(source.shape)) for source in sources)
                raise TracingError(
                    f"the receptive field cannot be followed through {func} of {shapes}"
                )
            self._traces[out] = traces = (height, width)
            if is_map(out, traces):
                self.last_map = traces
        return output
