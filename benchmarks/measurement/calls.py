"""The time of single calls, such as a layer's forward pass, measured in turns."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import accelerator
from benchmarks.measurement.loop_timings import in_turns

WARMUP_CALLS = 2


def _forward(layer: nn.Module, images: Tensor) -> Tensor:
    return layer(images)


def _forward_backward(layer: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(layer(images).sum(), (images, *layer.parameters()))


# What a layer is timed at: a function of the layer and its input.
WORKS = {"forward": _forward, "forward_backward": _forward_backward}
IN_WORDS = {work: work.replace("_", " + ") for work in WORKS}


def in_rounds(
    calls: Mapping[str, Callable[[], object]],
    device: torch.device,
    *,
    rounds: int,
    block_seconds: float,
) -> dict[str, np.ndarray]:
    """Seconds of each call, (rounds,).

    The calls take turns, so that a slow moment of the machine does not fall on one of them alone.

    Args:
        calls: the work, by name.
        device: on which the work is done.
        rounds: turns of each.
        block_seconds: a call is repeated for about so long between two readings of the clock,
            because reading it takes time too.
    """
    turns = {}
    for name, call in calls.items():
        seconds_a_call(call, device, WARMUP_CALLS)
        repeats = max(1, round(block_seconds / seconds_a_call(call, device, 1)))
        turns[name] = partial(seconds_a_call, call, device, repeats)
    return {name: np.array(seconds) for name, seconds in in_turns(turns, rounds).items()}


def seconds_a_call(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The mean time of several calls in a row."""
    began = accelerator.now(device)
    for _ in range(repeats):
        call()
    return (accelerator.now(device) - began) / repeats
