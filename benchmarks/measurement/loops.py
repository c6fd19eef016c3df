"""The loops a net may be trained in: the Trainer's, a bare one, a textbook's, and the data alone.

Each takes a training and a number of steps, and returns examples/sec.
"""

import gc
import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, repeat
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.flop_counter import FlopCounterMode

import lit_models
from benchmarks.machine import accelerator
from benchmarks.planning.protocol import Protocol
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.optimization import make_optimizer, make_scheduler
from datamodules.datamodule import Batch, DeviceResidentDataModule
from lit_models.classifier import LitClassifier, MicroBatch, backpropagate
from lit_models.segmenter import LitSegmenter

MODULES = {lit_models.CLASSIFICATION: LitClassifier, lit_models.SEGMENTATION: LitSegmenter}

WARMUP_STEPS = 2  # before the clock starts

# Limits of `group_size`. So many multiply-adds, forward, are a tenth of a second's work and less.
GROUP_MACS, GROUP_MACS_OF_ACCELERATORS = {"cpu": 10**9}, 10**11
GROUPS_AN_EPOCH, LARGEST_GROUP = 8, 16


@dataclass(frozen=True)
class Training:
    """A net, and how it is trained in whichever loop.

    Args:
        net: the net.
        task: what it is for.
        num_classes: number of classes.
        protocol: the recipe.
        data: the examples; they say on which device the net is trained.
        micro_batch_size: examples that go through the net at once; None: the whole batch.
        options: makes what the Trainer is told about devices.
    """

    net: nn.Module
    task: str
    num_classes: int
    protocol: Protocol
    data: DeviceResidentDataModule
    micro_batch_size: int | None = None
    options: Callable[[], dict[str, Any]] = lambda: {"devices": 1}

    @property
    def device(self) -> torch.device:
        return self.data.device

    def module(self, steps: int | None = None) -> LitClassifier:
        """The net and the recipe for the Trainer, over so many steps; None: as in the protocol."""
        steps = steps or self.protocol.epochs * len(self.data.train_batches)
        return MODULES[self.task](
            self.net,
            self.num_classes,
            partial(make_optimizer, protocol=self.protocol),
            partial(make_scheduler, steps=steps, protocol=self.protocol),
            clip_norm=self.protocol.clip_norm,
            micro_batch_size=self.micro_batch_size,
        )

    def trainer(
        self,
        callbacks: Iterable[L.Callback] = (),
        plugins: Iterable[object] = (),
        **options: Any,
    ) -> L.Trainer:
        devices = self.options()
        return L.Trainer(
            accelerator=self.device.type,
            precision=self.protocol.precision,
            logger=False,
            enable_model_summary=False,
            limit_val_batches=0,
            callbacks=[*devices.pop("callbacks", ()), *callbacks],
            plugins=[*devices.pop("plugins", ()), *plugins],
            **devices,
            **options,
        )

    def optimizer(self) -> Optimizer:
        """An optimizer of the net, which is made ready to be trained without a Trainer."""
        net = self.net.to(self.device).train()  # Lightning leaves a net on the CPU
        return make_optimizer(net.parameters(), self.protocol)

    def first_batch(self) -> Batch:
        return next(iter(self.data.train_batches))

    def step(self, optimizer: Optimizer, images: Tensor, labels: Tensor) -> list[MicroBatch]:
        """One training step in bare PyTorch."""
        optimizer.zero_grad()
        with self.autocast():
            passes = list(backpropagate(self.net, images, labels, self.micro_batch_size))
        if self.protocol.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.protocol.clip_norm)
        optimizer.step()
        return passes

    def autocast(self) -> AbstractContextManager:
        """What Lightning does around a step for the same precision."""
        if self.protocol.precision == "32-true":
            return nullcontext()
        # Any other use of the cache would be another computation, and compiled anew.
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)

    def idle(self) -> "Training":
        """The same work without an effect: no net diverges while it is only timed."""
        return replace(self, protocol=replace(self.protocol, learning_rate=1e-12))


def group_size(macs: int, data: DeviceResidentDataModule) -> int:
    """How many batches the Trainer gets at once: of a small net several, of others one.

    What the Trainer does around a batch takes as long whatever the net. An epoch has several
    groups, and none takes long.

    Args:
        macs: multiply-adds of the net for one image.
        data: the batches.
    """
    batches, most = data.train_batches, GROUP_MACS.get(data.device.type, GROUP_MACS_OF_ACCELERATORS)
    few = min(
        most // max(1, macs * batches.batch_size), len(batches) // GROUPS_AN_EPOCH, LARGEST_GROUP
    )
    return max(1, few)


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


def textbook_loop(training: Training, steps: int) -> float:
    """As Dive into Deep Learning counts (`train_ch6`): the clock runs from batch to batch.

    In it are the transfer to the device, the step, and loss and accuracy, for which the device is
    waited for; out of it is whatever makes the batch.
    """
    images, labels = (tensor.cpu() for tensor in training.first_batch())
    host_batches = repeat((images, labels), WARMUP_STEPS + steps)
    return timed_by_step(training, host_batches)


def timed_by_step(training: Training, host_batches: Iterable[Batch]) -> float:
    """The clock of `textbook_loop` on batches in the memory of the host."""
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
    training = training.idle()
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
