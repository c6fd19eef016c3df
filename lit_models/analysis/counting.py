"""FLOPs of the operations that a net runs, and the names of those that cannot be counted.

Counted are multiply-adds of convolutions and matrix products, 2 FLOPs each, by PyTorch's counter
and the formulas that it lacks. An operation without a formula that may multiply is named, so that
no total is taken for whole that is not.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torchvision  # noqa: F401  registers its operations
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import (
    FlopCounterMode,
    flop_registry,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

Shape = Sequence[int]

aten = torch.ops.aten


class Count:
    """FLOPs so far, and the names of operations that are not among them."""

    def __init__(self, counter: FlopCounterMode, watch: "_Watch") -> None:
        self._counter, self._watch = counter, watch

    @property
    def flops(self) -> int:
        return self._counter.get_total_flops()

    @property
    def uncounted(self) -> tuple[str, ...]:
        return tuple(self._watch.names)


@contextmanager
def counting() -> Iterator[Count]:
    """Count what runs inside the context, forward and backward."""
    counter, watch = FlopCounterMode(display=False, custom_mapping=FORMULAS), _Watch()
    fused = torch.backends.mha.get_fastpath_enabled()
    # A fused transformer layer would hide its products.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with watch, counter:  # the watch sees what the counter has decomposed
            yield Count(counter, watch)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


class _Watch(TorchDispatchMode):
    """Names the operations that may multiply and have no formula."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}  # an ordered set

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not _is_known(func) and _may_multiply(func, (args, kwargs)):
            self.names[str(getattr(func, "overloadpacket", func)).removeprefix("aten.")] = None
        return func(*args, **kwargs)


def _is_known(func: Any) -> bool:
    packet = getattr(func, "overloadpacket", func)
    return packet in FORMULAS or packet in flop_registry


def _may_multiply(func: Any, arguments: Any) -> bool:
    if not isinstance(func, torch._ops.OpOverload):
        return True  # a higher-order operation, such as a kernel of Triton
    if func.namespace in ("prim", "prims", "c10d", "_c10d_functional"):
        return False
    factors = [
        leaf
        for leaf in tree_leaves(arguments)
        if isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex())
    ]
    if func.namespace != "aten":
        return bool(factors)
    name = func._opname.removesuffix("_")
    if name.startswith(("linalg_", "_linalg_", "_fft_", "cholesky")):
        return name not in ("linalg_vector_norm", "linalg_cross", "_linalg_check_errors")
    if torch.Tag.pointwise in func.tags or name.startswith(("_foreach_", "_fused_")):
        return False
    return len(factors) > 1 and not _WITHOUT_PRODUCTS.match(name.lstrip("_"))


# How the names of operations begin that take several tensors and sum no products of them: copies,
# indexing, normalisation, pooling and resizing, losses, activations.
_WITHOUT_PRODUCTS = re.compile(
    r"""
    copy | cat | stack | clone | set | alias | lift | fill | where | index | unsafe_index | scatter
    | gather | masked | slice | select | diagonal | as_strided | narrow | embedding | put | take
    | (native|cudnn|miopen)?_?(batch|layer|group)_norm | fused_rms_norm | weight_norm
    | native_dropout | ((adaptive_|fractional_)?(max|avg)_) | upsample | grid_sampler
    | re(flection|plication)_pad | renorm
    | (nll|mse|l1|smooth_l1|huber|soft_margin|multi_margin|multilabel_margin|ctc)_loss
    | binary_cross_entropy | (log_|safe_|masked_)?softmax | glu | prelu | rrelu | softplus
    | log_sigmoid | threshold | gelu | elu | celu | hard | leaky_relu | mish | silu | tanh | sigmoid
    | logit | softshrink | thnn
    | equal | allclose | isclose | dist | std | var | norm | cumprod | prod | logcumsumexp | sort
    | topk | bucketize | searchsorted | histc | amp | unfold | value_selecting | kthvalue | mode
    | median | bernoulli | dirichlet
    """,
    re.VERBOSE,
)


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(
    gradient: Shape, query: Shape, key: Shape, value: Shape, *_: Any, **__: Any
) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


def _convolution_backward(
    gradient: Shape, images: Shape, weight: Shape, *others: Any, **_: Any
) -> int:
    """Each requested gradient, of images or weights, takes the FLOPs of the convolution itself.

    PyTorch's own formula counts the weight gradient of a grouped convolution as if it had one
    group.
    """
    transposed, wanted = others[4], others[7]
    positions = math.prod((images if transposed else gradient)[2:])
    return 2 * images[0] * positions * math.prod(weight) * sum(wanted[:2])


def _deformable(images: Shape, weight: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Products of samples and weights; how samples are interpolated does not count."""
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


def _deformable_backward(gradient: Shape, images: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    """The gradients of the samples and of the weights take the FLOPs of the forward pass each."""
    return 2 * 2 * math.prod(gradient) * math.prod(weight[1:])


def _trilinear(*arguments: Any, **_: Any) -> int:
    """Two contractions: of the first tensor with the second, and of the result with the third.

    The arguments are three shapes, the dimensions that each lacks, and the summed dimensions. A
    dimension that the third tensor lacks is summed in the first contraction.
    """
    shapes, missing, summed = arguments[:3], arguments[3:6], arguments[6]
    sizes = []
    for shape, lacking in zip(shapes, missing, strict=True):
        present = iter(shape)
        dims = range(len(shape) + len(lacking))
        sizes.append([1 if dim in lacking else next(present) for dim in dims])
    first = [max(a, b) for a, b in zip(*sizes[:2], strict=True)]
    left = [1 if d in summed and d in missing[2] else size for d, size in enumerate(first)]
    second = [max(a, b) for a, b in zip(left, sizes[2], strict=True)]
    return 2 * (math.prod(first) + math.prod(second))


def _linear_backward(images: Shape, gradient: Shape, weight: Shape, wanted: Any, **_: Any) -> int:
    return 2 * math.prod(gradient) * weight[1] * sum(wanted[:2])


def _recurrent(images: Shape, *others: Any, **_: Any) -> int:
    """Every matrix of a recurrent layer is applied at each time to each example of (T, N, C)."""
    weights = others[0] if others and not isinstance(others[0], torch.Size) else others[:2]
    matrices = [math.prod(shape) for shape in weights if len(shape) == 2]
    return 2 * math.prod(images[:2]) * sum(matrices)


def _recurrent_backward(*arguments: Any, **_: Any) -> int:
    return 2 * _recurrent(*arguments)


# FLOPs by the shapes of the arguments, in place of the tensors, and of the output
FORMULAS: dict[Any, Callable[..., int]] = {
    aten.mv: lambda matrix, *_, **__: 2 * math.prod(matrix),
    aten.addmv: lambda _, matrix, *__, **___: 2 * math.prod(matrix),
    aten.dot: lambda vector, *_, **__: 2 * math.prod(vector),
    aten.vdot: lambda vector, *_, **__: 2 * math.prod(vector),
    aten.addr: lambda *_, out_shape, **__: 2 * math.prod(out_shape),
    aten.addbmm: lambda _, left, right, **__: 2 * math.prod(left) * right[-1],
    aten._addmm_activation: lambda _, left, right, **__: 2 * math.prod(left) * right[-1],
    aten.linear_backward: _linear_backward,
    aten._trilinear: _trilinear,
    aten.conv_tbc: lambda *args, out_shape, **_: 2 * math.prod(out_shape[:2]) * math.prod(args[1]),
    aten.convolution_backward: _convolution_backward,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten._scaled_dot_product_attention_math_for_mps: _attention,
    aten.mkldnn_rnn_layer: _recurrent,
    aten.mkldnn_rnn_layer_backward: _recurrent_backward,
    aten._cudnn_rnn: _recurrent,
    aten._cudnn_rnn_backward: _recurrent_backward,
    torch.ops.torchvision.deform_conv2d: _deformable,
    torch.ops.torchvision._deform_conv2d_backward: _deformable_backward,
}
