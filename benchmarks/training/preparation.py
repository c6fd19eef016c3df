"""A net made ready to be trained: built, initialised or loaded, frozen, compiled."""

from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import seed_everything
from torch import nn

import lit_models
from benchmarks.planning.placement import DDP
from benchmarks.planning.plan import RunSpec
from benchmarks.training import ddp
from benchmarks.training.compilation import compile_net
from benchmarks.training.initialisation import initialise
from benchmarks.training.precision import keep_in_fp32
from benchmarks.training.training import Training, group_size
from datamodules import DataError, ImageDataset
from datamodules.datamodule import ImageDataModule
from datamodules.sources.network import giving_up
from lit_models import pretrained
from lit_models.analysis.data_flow import unused_parameters
from lit_models.freezing import freeze_features

INIT_EXAMPLES = 64  # for a data-dependent initialisation


@dataclass(frozen=True)
class Prepared:
    """A training before its first step, the cost of its net, and where its weights come from."""

    training: Training
    cost: lit_models.Cost
    compile_seconds: float | None
    initial_weights: str | None  # None: initialised


def prepare(
    spec: RunSpec,
    dataset: ImageDataset,
    data: ImageDataModule,
    *,
    micro_batch_size: int,
    initialises: bool,
    data_dir: Path,
) -> Prepared:
    """Build a net and its training.

    Args:
        spec: the run.
        dataset: the examples, which `data` serves.
        micro_batch_size: examples that pass the net at once.
        initialises: whether the net begins; False: a checkpoint is loaded into it afterwards.
        data_dir: the folder of files from a URL.

    Raises:
        DataError: the weights are not those the run was planned for.
        ModelError: the net cannot be built, or the weights cannot be had.
    """
    protocol = spec.protocol
    seed_everything(spec.seed, verbose=False)
    data.rank_slice = slice(None)  # all ranks initialise from the same examples
    net = lit_models.build(
        spec.model,
        in_channels=dataset.channels,
        num_classes=len(dataset.classes),
        image_size=protocol.image_size,
    )
    cost = lit_models.cost(net, protocol.image_size, dataset.channels)
    image = (dataset.channels, protocol.image_size, protocol.image_size)
    is_distributed = spec.placement.strategy == DDP
    has_unused = is_distributed and bool(unused_parameters(net, image))
    net = net.to(data.device)
    initial_weights, new = _load(net, spec, len(dataset.classes), data_dir)
    if initialises and initial_weights is None:
        batches = islice(data.train_batches, ceil(INIT_EXAMPLES / protocol.batch_size))
        initialise(net, protocol.init, torch.cat([images for images, _ in batches]))
    if protocol.freeze == "features":
        freeze_features(net, new)
    net = net.to(memory_format=getattr(torch, protocol.memory_format))
    if data.device.type == "cpu" and protocol.precision == "bf16-mixed":
        keep_in_fp32(net)
    data.rank_slice = ddp.rank_slice()
    data.group_size = 1 if is_distributed else group_size(cost.macs, data)
    training = Training(
        net,
        spec.task,
        len(dataset.classes),
        protocol,
        data,
        micro_batch_size=None if micro_batch_size == protocol.batch_size else micro_batch_size,
        options=partial(ddp.trainer_options, spec, has_unused),
    )
    compile_seconds = compile_net(training) if protocol.compile else None
    return Prepared(training, cost, compile_seconds, initial_weights)


def _load(
    net: nn.Module, spec: RunSpec, num_classes: int, data_dir: Path
) -> tuple[str | None, tuple[str, ...]]:
    """Load the weights that the protocol names; returns what they are, and which stay new."""
    if spec.protocol.weights is None:
        return None, ()
    with giving_up():
        found = pretrained.find(spec.protocol.weights, spec.model, data_dir)
    if found.digest != spec.weights_digest:
        raise DataError(f"{found.source} is not what the run was planned for")
    transferred = pretrained.transfer(net, found, num_classes)
    return f"{found.source} {found.digest}: {transferred}", transferred.new


def provenance(dataset: ImageDataset) -> dict[str, Any]:
    """What a record says of the dataset."""
    return {
        "data_source": dataset.source,
        "skipped_files": len(dataset.files.skipped) if dataset.files else 0,
        "mean": list(dataset.mean),
        "std": list(dataset.std),
    }
