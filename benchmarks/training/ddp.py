"""One run on several devices: each has a process, called a rank, and a part of every batch.

Every rank holds the whole dataset. Order and augmentation are drawn for the global batch, as in a
single process, and rank r of n takes its examples r, r + n, r + 2n, ... So an epoch has the same
steps with the same examples as on one device. (If each rank owned a fixed part of the dataset, the
batches, and so the training, would differ.) The gradient is that of the mean over the global batch,
and BatchNorm normalises over the global batch. Only dropout is drawn by each rank separately.

The last, smaller batch of an epoch may leave a rank without examples. It then processes an empty
batch, because every rank must join every collective.
"""

from typing import Any, TypeVar

import lightning as L
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor

from benchmarks.planning.placement import DDP
from benchmarks.planning.plan import RunSpec
from benchmarks.training.sync_batch_norm import SyncBatchNorm

T = TypeVar("T")


def rank() -> int:
    """The number of this process in its run, 0 if it is the only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def rank_slice() -> slice:
    """The examples of a global batch for this rank; counts differ by one at most."""
    return slice(rank(), None, dist.get_world_size()) if dist.is_initialized() else slice(None)


def gather(value: T) -> list[T]:
    """The values of all ranks, in order. A collective."""
    if not dist.is_initialized():
        return [value]
    values = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def total(value: float) -> float:
    """The sum over the ranks. A collective."""
    return sum(gather(value))


def broadcast(value: T) -> T:
    """The value of rank 0. A collective."""
    values = [value]
    if dist.is_initialized():
        dist.broadcast_object_list(values)
    return values[0]


def any_rank(flag: bool) -> bool:
    """Whether the flag of any rank is set, so that all act at the same step. A collective."""
    if not dist.is_initialized():
        return flag
    flags = torch.tensor(int(flag))
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return bool(flags)


def trainer_options(spec: RunSpec, has_unused: bool = False) -> dict[str, Any]:
    """Arguments of Lightning's Trainer for the devices of a run, whose processes exist already.

    Args:
        spec: the run.
        has_unused: whether the net has parameters without a gradient. DDP then looks for them at
            each step; otherwise it would wait for their gradients.
    """
    if spec.placement.strategy != DDP:
        return {"devices": 1}
    devices = spec.placement.devices
    return {
        "devices": devices,
        "num_nodes": spec.placement.num_nodes,
        "strategy": "ddp_find_unused_parameters_true" if has_unused else "ddp",
        "use_distributed_sampler": False,
        "plugins": [RunningRanks(devices), SyncBatchNorm(spec.device)],
        "callbacks": [GlobalMean(spec.seed)],
    }


class RunningRanks(LightningEnvironment):
    """Tells Lightning that every rank has its process, so that Lightning starts none.

    Args:
        devices: of each node.
    """

    creates_processes_externally = True

    def __init__(self, devices: int) -> None:
        super().__init__()
        self.devices = devices

    def local_rank(self) -> int:
        return rank() % self.devices

    def node_rank(self) -> int:
        return rank() // self.devices


class GlobalMean(L.Callback):
    """Makes DDP's mean over ranks the mean over the global batch; seeds the dropout of each rank.

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
