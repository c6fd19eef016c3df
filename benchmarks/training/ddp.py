"""One run on many devices: a process for each, called a rank, with its share of every batch.

Every rank has the whole dataset on its device. Order and augmentation are drawn for the global
batch, as for a single process, and of each global batch a rank takes every n-th example, n being
the number of ranks. So an epoch has the same steps, each of the same examples, as on one device;
if each rank owned a fixed part of the dataset, batches would be others, and so the training. The
gradient is that of the mean over the global batch, and BatchNorm is over the global batch. Dropout
alone is drawn by each rank apart.

A rank may be left without an example in the last, smaller batch of an epoch. It takes part with a
batch of none, since every rank must take part in every exchange.
"""

from typing import Any, TypeVar

import lightning as L
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor

from benchmarks.planning.plan import RunSpec
from benchmarks.planning.sweep_config import DDP
from benchmarks.training.sync_batch_norm import SyncBatchNorm

T = TypeVar("T")


def rank() -> int:
    """The number of this process among those of its run, 0 if it is the only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def rank_slice() -> slice:
    """Which examples of a global batch are for this rank; shares differ by one example at most."""
    return slice(rank(), None, dist.get_world_size()) if dist.is_initialized() else slice(None)


def gather(value: T) -> list[T]:
    """What each rank has, in order, known to all; waits for all."""
    if not dist.is_initialized():
        return [value]
    values = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def total(value: float) -> float:
    """The sum over the ranks; waits for all."""
    return sum(gather(value))


def broadcast(value: T) -> T:
    """What rank 0 has; waits for all."""
    values = [value]
    if dist.is_initialized():
        dist.broadcast_object_list(values)
    return values[0]


def any_rank(wanted: bool) -> bool:
    """Whether any rank wants something, so that all do it at the same step; waits for all."""
    if not dist.is_initialized():
        return wanted
    flag = torch.tensor(int(wanted))
    dist.all_reduce(flag, dist.ReduceOp.MAX)
    return bool(flag)


def trainer_options(spec: RunSpec) -> dict[str, Any]:
    """What Lightning's Trainer is told about devices; on several, `benchmarks.ranks` began them."""
    if spec.placement.strategy != DDP:
        return {"devices": 1}
    return {
        "devices": spec.placement.devices,
        "num_nodes": spec.placement.num_nodes,
        "strategy": "ddp",
        "use_distributed_sampler": False,
        "plugins": [LightningEnvironment(), SyncBatchNorm(spec.device)],
        "callbacks": [GlobalMean(spec.seed)],
    }


class GlobalMean(L.Callback):
    """Makes DDP's mean over the ranks the mean over the global batch; seeds each rank's dropout.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        sequence = np.random.SeedSequence((self.seed, trainer.global_rank))
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch, batch_idx: int
    ) -> None:
        mean_share = trainer.train_dataloader.global_size(batch_idx) / trainer.world_size
        self._weight = len(batch[1]) / mean_share

    def on_before_backward(
        self, trainer: L.Trainer, module: L.LightningModule, loss: Tensor
    ) -> None:
        loss.register_hook(lambda gradient: gradient * self._weight)
