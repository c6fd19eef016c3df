"""What each layer of a net sees of the image: its theoretical receptive field, exactly.

A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill, 2019. Not computed from a list of layers but followed through the tensors, so that
branches, functional calls and slices count; where paths meet, from the first pixel that one of
them sees to the last.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from lit_models.analysis.receptive_field.axis import LOST, Axis, Trace, Traces, is_map
from lit_models.analysis.receptive_field.rules import Call, TracingError

Size = int | tuple[int, int]
Length = float | tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Field:
    """What the positions of a map see of the image, all channels together.

    Along `height` and `width` by paths that keep the place: convolutions, pooling, resizing. Both
    are None for an output that is no map, as after global pooling, flattening or a linear layer.
    `sees_all` is true where a position sees the whole image: always for an output that is no map
    (unless it sees none of it), and for a map through a gate such as squeeze-and-excitation or a
    mean over all positions; such a map keeps the field of its other paths.

    `size`, `jump` and `offset` are in pixels, (height, width) where these differ, None for an
    output that is no map.
    """

    height: Axis | None
    width: Axis | None
    sees_all: bool

    @property
    def size(self) -> Size | None:
        """Pixels from the first to the last seen; padding seen beyond the borders counts."""
        return self._of_both(lambda axis: axis.size)

    @property
    def jump(self) -> Length | None:
        """Pixels between what neighbouring positions see: the product of the strides."""
        return self._of_both(lambda axis: axis.jump)

    @property
    def offset(self) -> Length | None:
        """Centre of what the first position sees; pixel 0 reaches from 0 to 1."""
        return self._of_both(lambda axis: axis.offset)

    def _of_both(self, value: Callable[[Axis], Any]) -> Any:
        if self.height is None:
            return None
        height, width = value(self.height), value(self.width)
        return height if height == width else (height, width)


@dataclass(frozen=True, kw_only=True)
class LayerField(Field):
    """The field of one module without children, in the order the forward pass reaches them."""

    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class ReceptiveField(Field):
    """The field of a net, and of its layers, row for row those of `lit_models.cost`.

    A net that returns a map has its field, any other that of the last map it computes.
    """

    layers: tuple[LayerField, ...]


def receptive_field(module: nn.Module, image_size: int, in_channels: int = 1) -> ReceptiveField:
    """Compute what each layer of `module` sees of an (in_channels, image_size, image_size) image.

    Runs on the meta device: no arithmetic is done and `module` is left as it was. Fields are those
    of a position far from the borders, whatever the image size.

    Raises:
        TracingError: an operation through which positions cannot be followed.
    """
    return trace(module, image_size, in_channels, lambda layer: not [*layer.children()])


def trace(
    module: nn.Module, image_size: int, in_channels: int, watched: Callable[[nn.Module], bool]
) -> ReceptiveField:
    """As `receptive_field`, with `layers` the modules that are `watched`, as they are done."""
    net = copy.deepcopy(module).to("meta").eval()
    image = torch.empty(1, in_channels, image_size, image_size, device="meta")
    tracer = Tracer(image)
    layers: list[LayerField] = []

    def after(layer: nn.Module, args: tuple, output: Any) -> None:
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        kind = type(layer).__name__
        layers.append(LayerField(**_field(tracer, tensors), name=layer_names[layer], kind=kind))

    layer_names = {layer: name for name, layer in net.named_modules() if watched(layer)}
    for layer in layer_names:
        layer.register_forward_hook(after)
    with tracer, torch.no_grad():
        outputs = [leaf for leaf in tree_leaves(net(image)) if isinstance(leaf, Tensor)]
    field = _field(tracer, outputs)
    if field["height"] is None:
        field = _of(tracer.last_map)
    return ReceptiveField(**field, layers=tuple(layers))


def _field(tracer: "Tracer", outputs: list[Tensor]) -> dict[str, Any]:
    """The values of a Field, for the first output."""
    traces = tracer[outputs[0]] if outputs else None
    if traces is None:
        return {"height": None, "width": None, "sees_all": False}
    return _of(traces if is_map(outputs[0], traces) else (LOST, LOST))


def _of(traces: Traces) -> dict[str, Any]:
    height, width = traces
    sees_all = height.sees_all or width.sees_all
    return {"height": height.axis, "width": width.axis, "sees_all": sees_all}


class Tracer(TorchDispatchMode):
    """While active, keeps the traces of height and width of every tensor that sees `image`.

    Operations raise TracingError where they mix positions in a way no rule is known for.

    Args:
        image: (N, C, H, W), on any device; `meta` costs nothing.
    """

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self._traces = WeakTensorKeyDictionary()
        pixels = Axis((0,), (0,), 1)
        self._traces[image] = tuple(Trace(pixels, dim, image.shape[dim]) for dim in (-2, -1))
        self.last_map: Traces = self._traces[image]

    def __getitem__(self, tensor: Tensor) -> Traces | None:
        """Traces of height and width; None for a tensor that sees nothing of the image."""
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
        # Of several, as of max and its indices, only the first is made of what is seen.
        outputs = output if isinstance(output, list) else tree_leaves(output)[:1]
        names = [argument.name for argument in func._schema.arguments]
        defaults = {a.name: a.default_value for a in func._schema.arguments}
        arguments = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
        for out in outputs:
            call = Call(name, torch.Tag.pointwise in func.tags, arguments, out)
            traces = tuple(
                call.follow([(s, self._traces[s][axis]) for s in sources]) for axis in (0, 1)
            )
            # What is written into a part of a tensor would be unknown to the whole.
            changes_part = func._schema.is_mutable and out._is_view() and self[out] != traces
            if None in traces or changes_part:
                shapes = " and ".join(str(tuple(source.shape)) for source in sources)
                raise TracingError(
                    f"the receptive field cannot be followed through {func} of {shapes}"
                )
            self._traces[out] = traces
            if is_map(out, traces):
                self.last_map = traces
        return output
