"""Forward passes that find something out about a net and leave it as it was.

A pass runs on the meta device, without arithmetic. Where the net cannot, for instance because it
reads values back or makes tensors on the CPU, the pass runs where its weights are. The net is not
copied: a copy fails for weights that are computed from others, and its hooks may refer to the
original.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lit_models.entries import ModelError

T = TypeVar("T")


@dataclass(frozen=True)
class Forward:
    """The forward pass of a dry run: a function of a batch of images.

    `weights` are the parameters and buffers that it uses, by name.
    """

    run: Callable[[Tensor], Any]
    weights: dict[str, Tensor]
    shape: tuple[int, ...]  # of an image
    device: torch.device

    def images(self, batch: int) -> Tensor:
        """Random images (batch, C, H, W)."""
        return torch.rand(batch, *self.shape, device=self.device)

    def __call__(self, images: Tensor) -> Any:
        return self.run(images)


def dry_run(
    net: nn.Module,
    shape: tuple[int, ...],
    use: Callable[[Forward], T],
    *,
    training: bool = False,
) -> T:
    """The result of `use`, which gets the forward pass of `net`.

    `use` may add hooks to the modules of the net: they are removed. It is called a second time if
    the net fails on the meta device, so it must start anew at each call.

    Args:
        net: a net on any device.
        shape: of an image, (C, H, W).
        use: what to do with the forward pass.
        training: run the net in train mode.
    """

    weights = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    device = next((tensor.device for tensor in weights.values()), torch.device("cpu"))
    if device.type != "meta":
        replaced, meta = {name: _on_meta(t) for name, t in weights.items()}, torch.device("meta")

        def run_on_meta(images: Tensor) -> Any:
            return functional_call(net, replaced, (images,))

        try:
            with untouched(net):
                net.train(training)
                return use(Forward(run_on_meta, replaced, shape, meta))
        except ModelError:
            raise
        except Exception:
            pass  # if it is not for the device, it comes again below
    with untouched(net), untouched_buffers(net):
        net.train(training)
        return use(Forward(net, weights, shape, device))


def _on_meta(tensor: Tensor) -> Tensor:
    copy = tensor.detach().to("meta")
    is_parameter = isinstance(tensor, nn.Parameter)
    return nn.Parameter(copy, tensor.requires_grad) if is_parameter else copy


@contextmanager
def untouched(net: nn.Module) -> Iterator[None]:
    """Restore, on exit, all attributes of all modules and the CPU's random state.

    Attributes include the mode, hooks, what a forward pass keeps, and weights that it computes;
    containers get their content back. Values of parameters and buffers are not included.
    """
    before = [(vars(module), _contents(vars(module))) for module in net.modules()]
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            for attributes, contents in before:
                attributes.clear()
                for name, (value, content) in contents.items():
                    attributes[name] = value
                    _refill(value, content)


_CONTAINERS = (dict, list, set)


def _contents(attributes: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each value with a copy of its content, if it is a container."""
    return {
        name: (value, value.copy() if isinstance(value, _CONTAINERS) else None)
        for name, value in attributes.items()
    }


def _refill(container: Any, content: Any) -> None:
    if content is None:
        return
    container.clear()
    if isinstance(container, list):
        container.extend(content)
    else:
        container.update(content)


@contextmanager
def untouched_buffers(net: nn.Module) -> Iterator[None]:
    """Restore, on exit, the values of all buffers, such as batch statistics."""
    values = [(buffer, buffer.detach().clone()) for buffer in net.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in values:
                buffer.copy_(value)
