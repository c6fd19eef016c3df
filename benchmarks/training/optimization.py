"""Optimizer and learning-rate schedule of a protocol."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from benchmarks.planning.protocol import Protocol


def make_optimizer(parameters: Iterable[nn.Parameter], protocol: Protocol) -> Optimizer:
    """The protocol's optimizer, in its fused form: one kernel for all parameters.

    Raises:
        ValueError: an optimizer that is not implemented.
    """
    common = {"lr": protocol.learning_rate, "weight_decay": protocol.weight_decay, "fused": True}
    match protocol.optimizer:
        case "adamw":
            return torch.optim.AdamW(parameters, betas=(0.9, protocol.beta2), **common)
        case "sgd":
            return torch.optim.SGD(parameters, momentum=protocol.momentum, **common)
    raise ValueError(f"optimizer {protocol.optimizer!r} is not implemented")


def make_scheduler(optimizer: Optimizer, steps: int, protocol: Protocol) -> LRScheduler | None:
    """The protocol's schedule over `steps` steps; None: the learning rate is constant.

    Raises:
        ValueError: a schedule that is not implemented.
    """
    match protocol.schedule:
        case "constant":
            return None
        case "one_cycle":
            # OneCycleLR divides by zero if the warm-up is a single step.
            warmup = protocol.warmup * (1.001 if protocol.warmup * steps == 1 else 1)
            return OneCycleLR(
                optimizer,
                max_lr=protocol.learning_rate,
                total_steps=steps,
                pct_start=warmup,
                cycle_momentum=False,
            )
    raise ValueError(f"schedule {protocol.schedule!r} is not implemented")
