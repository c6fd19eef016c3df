"""Timed loops: the Trainer's, bare PyTorch, PyTorch on the d2l clock, and the data alone.

Each takes a training and a number of steps, and returns examples/sec.
"""

import gc
from collections.abc import Callable
from itertools import chain, repeat

import lightning as L
import torch

from benchmarks.machine import accelerator
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.training import Training

WARMUP_STEPS = 2  # before the clock starts


def trainer_loop(training: Training, steps: int) -> float:
    """Lightning's Trainer on the batches of a run."""
    clock, group = TrainingClock(WARMUP_STEPS), training.data.group_size
    max_steps = max(WARMUP_STEPS, group) + steps
    trainer = training.trainer(
        max_epochs=-1,
        max_steps=max_steps,
        callbacks=[clock, DivergenceWatch()],
        enable_progress_bar=False,
        enable_checkpointing=False,
    )
    # The last group may end after `max_steps`.
    trainer.fit(training.module(max_steps + group), datamodule=training.data)
    release_optimizer(trainer)
    return clock.examples_per_sec


def release_optimizer(trainer: L.Trainer) -> None:
    """Free gradients and the optimizer's state while callbacks and data still hold the Trainer."""
    trainer.lightning_module.zero_grad()
    trainer.strategy.optimizers, trainer.strategy.lr_scheduler_configs = [], []
    gc.collect()  # optimizer and schedule reference each other


def bare_loop(training: Training, steps: int) -> float:
    """Bare PyTorch on one resident batch: the speed the hardware allows."""
    optimizer, (images, labels) = training.optimizer(), training.first_batch()

    def step() -> int:
        training.step(optimizer, images, labels)
        return len(labels)

    return timed(step, steps, training.device)


def d2l_clock_loop(training: Training, steps: int) -> float:
    """The clock of Dive into Deep Learning (`train_ch6`), which runs only within a batch.

    Timed: the transfer to the device, the step, loss and accuracy, with the device synchronised.
    Not timed: whatever makes the batch.
    """
    host_batch = [tensor.cpu() for tensor in training.first_batch()]
    optimizer, device = training.optimizer(), training.device
    seconds = examples = loss = correct = 0.0
    for number in range(WARMUP_STEPS + steps):
        began = accelerator.now(device)
        images, labels = (tensor.to(device) for tensor in host_batch)
        for some_labels, logits, _, loss_part in training.step(optimizer, images, labels):
            loss += float(loss_part) * len(labels)
            correct += float((logits.argmax(1) == some_labels).sum())
        if number >= WARMUP_STEPS:
            seconds += accelerator.now(device) - began
            examples += len(labels)
    return examples / seconds


def data_loop(training: Training, steps: int) -> float:
    """Batches are made and discarded; no net is trained."""
    batches = chain.from_iterable(repeat(training.data.train_batches))
    return timed(lambda: len(next(batches)[1]), steps, training.device)


def timed(step: Callable[[], int], steps: int, device: torch.device) -> float:
    """Examples/sec of a step that returns its number of examples, after warm-up steps."""
    for _ in range(WARMUP_STEPS):
        step()
    began = accelerator.now(device)
    examples = sum(step() for _ in range(steps))
    return examples / (accelerator.now(device) - began)
