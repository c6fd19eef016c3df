"""A net and its recipe, for whichever loop trains it."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

import lit_models
from benchmarks.planning.protocol import Protocol
from benchmarks.training.optimization import make_optimizer, make_scheduler
from datamodules import ImageDataset
from datamodules.datamodule import ImageDataModule
from datamodules.loader import Batch
from lit_models.classifier import LitClassifier, MicroBatch, backpropagate
from lit_models.freezing import train_mode
from lit_models.segmenter import LitSegmenter

MODULES = {lit_models.CLASSIFICATION: LitClassifier, lit_models.SEGMENTATION: LitSegmenter}

# Limits of `group_size`: multiply-adds of the forward passes, at most a tenth of a second's work;
# groups an epoch, at least; batches a group, at most.
GROUP_MACS, GROUP_MACS_OF_ACCELERATORS = {"cpu": 10**9}, 10**11
GROUPS_AN_EPOCH, LARGEST_GROUP = 8, 16

EVALUATION_PIXELS = 2**19  # of a batch, about; 64 channels of as many in fp32 are 128 MiB


@dataclass(frozen=True)
class Training:
    """A net and its recipe, for the Trainer and for bare loops alike."""

    net: nn.Module
    task: str
    num_classes: int
    protocol: Protocol
    data: ImageDataModule  # on the device of the training
    micro_batch_size: int | None = None  # examples of a forward pass; None: the whole batch
    options: Callable[[], dict[str, Any]] = lambda: {"devices": 1}  # of the Trainer, about devices

    @property
    def device(self) -> torch.device:
        return self.data.device

    def module(self, steps: int | None = None) -> LitClassifier:
        """The LightningModule; `steps` of the schedule, by default those of the protocol."""
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
        """An optimizer for a bare loop; puts the net on its device and in train mode."""
        net = self.net.to(self.device)  # Lightning leaves a net on the CPU
        train_mode(net)
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
        """The context in which Lightning runs a step of this precision."""
        match self.protocol.precision:
            case "32-true":
                return nullcontext()
            case "bf16-mixed":
                # Lightning disables the cache. With it, a compiled net would be compiled anew.
                return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
        raise ValueError(f"precision {self.protocol.precision!r} is not resolved")

    def with_negligible_updates(self) -> "Training":
        """The same training at a learning rate so small that no net diverges while it is timed."""
        return replace(self, protocol=replace(self.protocol, learning_rate=1e-12))


def serve(
    dataset: ImageDataset,
    device: torch.device,
    protocol: Protocol,
    seed: int = 0,
    processes: int = 1,
) -> ImageDataModule:
    """The examples of a training, as the protocol takes them.

    `processes` of the machine hold examples of their own.
    """
    return ImageDataModule(
        dataset,
        device,
        image_size=protocol.image_size,
        batch_size=protocol.batch_size,
        evaluation_batch_size=evaluation_batch_size(protocol.batch_size, protocol.image_size),
        seed=seed,
        train_examples=protocol.train_examples,
        subset_seed=seed if protocol.subset == "by_seed" else None,
        validation_examples=protocol.validation_examples,
        normalize=protocol.normalize,
        augmentation=protocol.augmentation,
        memory_format=getattr(torch, protocol.memory_format),
        processes=processes,
    )


def evaluation_batch_size(batch_size: int, image_size: int) -> int:
    """Examples of a batch in an evaluation: training batches of `EVALUATION_PIXELS`, at least one.

    No activation is kept for a backward pass, so that more examples fit than in training. They
    share the time that a batch takes whatever its size, such as for converting weights to bfloat16.
    """
    return batch_size * max(1, EVALUATION_PIXELS // (batch_size * image_size**2))


def group_size(macs: int, data: ImageDataModule) -> int:
    """How many batches the Trainer takes at once: several for a small net, one for others.

    The Trainer's overhead per call does not depend on the net, so small nets share it among several
    batches.

    Args:
        macs: multiply-adds of the net for one image.
        data: the batches.
    """
    batches, most = data.train_batches, GROUP_MACS.get(data.device.type, GROUP_MACS_OF_ACCELERATORS)
    few = min(
        most // max(1, macs * batches.batch_size), len(batches) // GROUPS_AN_EPOCH, LARGEST_GROUP
    )
    return max(1, few)
