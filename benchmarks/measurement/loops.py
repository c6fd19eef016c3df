"""The loops a net may be trained in: the Trainer's, a bare one, a textbook's, and the data alone.

Each takes a training and a number of steps, and returns examples/sec.
"""

import gc
import math
from collections.abc import Iterable
from itertools import chain, islice, repeat
from typing import Any

import lightning as L
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import accelerator
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.training import Training
from datamodules.datamodule import Batch

WARMUP_STEPS = 2  # before the clock starts


def trainer_loop(training: Training, steps: int) -> float:
    """The Trainer on the resident data, as in a run."""
    clock, group = TrainingClock(WARMUP_STEPS), training.data.group_size
    max_steps = max(WARMUP_STEPS, group) + steps
    trainer = training.trainer(
        max_epochs=-1,
        max_steps=max_steps,
        callbacks=[clock, DivergenceWatch()],
        enable_progress_bar=False,
        enable_checkpointing=False,
    )
    # The last group may end after the last step.
    trainer.fit(training.module(max_steps + group), datamodule=training.data)
    release_optimizer(trainer)
    return clock.examples_per_sec


def release_optimizer(trainer: L.Trainer) -> None:
    """Let go of what the optimizer keeps of every weight; callbacks and data keep the Trainer."""
    trainer.strategy.optimizers, trainer.strategy.lr_scheduler_configs = [], []
    gc.collect()  # optimizer and schedule refer to each other


def bare_loop(training: Training, steps: int) -> float:
    """PyTorch on one resident batch: what the hardware allows."""
    optimizer, batch = training.optimizer(), training.first_batch()
    for _ in range(WARMUP_STEPS):
        training.step(optimizer, *batch)
    began = accelerator.now(training.device)
    for _ in range(steps):
        training.step(optimizer, *batch)
    return steps * len(batch[1]) / (accelerator.now(training.device) - began)


def d2l_clock_loop(training: Training, steps: int) -> float:
    """As Dive into Deep Learning counts (`train_ch6`): the clock runs from batch to batch.

    In it are the transfer to the device, the step, and loss and accuracy, for which the device is
    waited for; out of it is whatever makes the batch.
    """
    images, labels = (tensor.cpu() for tensor in training.first_batch())
    host_batches = repeat((images, labels), WARMUP_STEPS + steps)
    return timed_by_step(training, host_batches)


def timed_by_step(training: Training, host_batches: Iterable[Batch]) -> float:
    """The clock of `d2l_clock_loop` on batches in the memory of the host."""
    optimizer, device = training.optimizer(), training.device
    seconds = examples = loss = correct = 0.0
    for number, batch in enumerate(host_batches):
        began = accelerator.now(device)
        images, labels = (tensor.to(device) for tensor in batch)
        for some_labels, logits, _, share in training.step(optimizer, images, labels):
            loss += float(share) * len(labels)
            correct += float((logits.argmax(1) == some_labels).sum())
        if number >= WARMUP_STEPS:
            seconds += accelerator.now(device) - began
            examples += len(labels)
    return examples / seconds


def data_loop(training: Training, steps: int) -> float:
    """The batches alone, made and thrown away."""
    batches = chain.from_iterable(repeat(training.data.train_batches))
    for _ in islice(batches, WARMUP_STEPS):
        pass
    began = accelerator.now(training.device)
    examples = sum(len(labels) for _, labels in islice(batches, steps))
    return examples / (accelerator.now(training.device) - began)


def training_flops(training: Training) -> float:
    """FLOPs of training on one example, counted on a real forward and backward pass."""
    training = training.with_negligible_updates()
    optimizer, (images, labels) = training.optimizer(), training.first_batch()
    counter = FlopCounterMode(
        display=False,
        custom_mapping={torch.ops.aten.convolution_backward: _convolution_backward_flops},
    )
    # A compiled net would hide its operations from the counter.
    with torch.compiler.set_stance("force_eager"), counter:
        training.step(optimizer, images, labels)
    return counter.get_total_flops() / len(labels)


def _convolution_backward_flops(
    gradient: list[int], images: list[int], weight: list[int], *others: Any, **kwargs: Any
) -> int:
    """As many for each gradient wanted, of images and weights, as the convolution itself takes.

    PyTorch's own formula counts the gradient of the weights of a grouped convolution as if it had
    one group. The arguments are shapes, and those of aten.convolution_backward.
    """
    transposed, wanted = others[4], others[7]
    positions = math.prod((images if transposed else gradient)[2:])
    return 2 * images[0] * positions * math.prod(weight) * sum(wanted[:2])
