"""Optimizer and learning-rate schedule, as a protocol names them."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from benchmarks.planning.protocol import Protocol


def make_optimizer(parameters: Iterable[nn.Parameter], protocol: Protocol) -> Optimizer:
    """The protocol's optimizer, in its fused form: one kernel for all parameters."""
    common = {"lr": protocol.learning_rate, "weight_decay": protocol.weight_decay, "fused": True}
    if protocol.optimizer == "adamw":
        return torch.optim.AdamW(parameters, betas=(0.9, protocol.beta2), **common)
    return torch.optim.SGD(parameters, momentum=protocol.momentum, **common)


def make_scheduler(optimizer: Optimizer, steps: int, protocol: Protocol) -> LRScheduler | None:
    """The protocol's schedule over `steps` steps; None: the learning rate stays as it is."""
    if protocol.schedule == "constant":
        return None
    # OneCycleLR divides by zero where the warm-up is a single step.
    warmup = protocol.warmup * (1.001 if protocol.warmup * steps == 1 else 1)
    return OneCycleLR(
        optimizer,
        max_lr=protocol.learning_rate,
        total_steps=steps,
        pct_start=warmup,
        cycle_momentum=False,
    )
