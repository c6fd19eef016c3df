"""One run from start to end, in one process."""

import logging
import warnings
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import TQDMProgressBar

import datamodules
import lit_models
from benchmarks import checkpoints, distributed, environment, timing
from benchmarks.checkpoints import CheckpointFile, Checkpoints
from benchmarks.divergence import DivergenceWatch
from benchmarks.initialisation import initialise
from benchmarks.optimization import make_optimizer, make_scheduler
from benchmarks.plan import DDP, RunSpec
from benchmarks.records import RunRecord
from datamodules.image_data import DeviceResidentDataModule
from lit_models.classifier import LitClassifier
from lit_models.segmenter import LitSegmenter

MODULES = {lit_models.CLASSIFICATION: LitClassifier, lit_models.SEGMENTATION: LitSegmenter}

INIT_EXAMPLES = 128  # seen by a data-dependent initialisation


def train(
    spec: RunSpec,
    data_dir: Path,
    progress_bar: bool = False,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = checkpoints.SECONDS,
    jobs: int = 1,
) -> RunRecord:
    """Train, test and time one net as `spec` says, in each of its ranks (see `distributed`).

    The bare loop is timed on all ranks at once, each with its share of a batch and without DDP:
    loop efficiency is what exchanging gradients, besides the loop, leaves of their sum.

    Args:
        spec: the run.
        data_dir: the data folder.
        progress_bar: show the steps of the run, under the bar of the sweep.
        checkpoint: the file from which the training goes on, and in which it is saved; None: none.
        checkpoint_seconds: time between two checkpoints within an epoch.
        jobs: how many runs share the machine.

    Raises:
        DataError: the data are not to be had.
        DivergedError: the loss is no longer finite.
        StoppedError: the process was told to terminate, and the training is saved.
    """
    _quieten()
    protocol, device = spec.protocol, torch.device(spec.device)
    L.seed_everything(spec.seed, verbose=False)
    dataset = datamodules.load(spec.dataset, data_dir)
    memory_format = getattr(torch, protocol.memory_format)
    data = DeviceResidentDataModule(
        dataset,
        device,
        image_size=protocol.image_size,
        batch_size=protocol.batch_size,
        seed=spec.seed,
        train_examples=protocol.train_examples,
        validation_examples=protocol.validation_examples,
        normalize=protocol.normalize,
        augmentation=protocol.augmentation,
        memory_format=memory_format,
    )
    num_classes = len(dataset.classes)
    net = lit_models.build(
        spec.model,
        in_channels=dataset.channels,
        num_classes=num_classes,
        image_size=protocol.image_size,
    )
    cost = lit_models.cost(net, protocol.image_size, dataset.channels)
    net = net.to(device)
    first_batch, *more = islice(data.train_dataloader(), ceil(INIT_EXAMPLES / protocol.batch_size))
    file = CheckpointFile(checkpoint) if checkpoint else None
    saved = file.find() if file else None
    if saved is None:
        initialise(net, protocol.init, torch.cat([images for images, _ in (first_batch, *more)]))
    del more
    data.share(distributed.share())
    net = net.to(memory_format=memory_format)

    module = MODULES[dataset.task](
        net,
        num_classes,
        partial(make_optimizer, protocol=protocol),
        partial(make_scheduler, protocol=protocol),
    )
    clock, watch = timing.TrainingClock(), DivergenceWatch()
    progress = Checkpoints(checkpoint, checkpoint_seconds, clock, watch, jobs)
    options = distributed.trainer_options(spec)
    if file:
        options["plugins"].append(file)
    global_mean = [distributed.GlobalMean(spec.seed)] if spec.strategy == DDP else []
    trainer = L.Trainer(
        accelerator=spec.device,
        max_epochs=protocol.epochs,
        precision=protocol.precision,
        gradient_clip_val=protocol.clip_norm,
        callbacks=[
            *global_mean,
            clock,
            watch,
            progress,
            *([_progress_bar()] if progress_bar else []),
        ],
        enable_progress_bar=progress_bar,
        logger=False,
        enable_model_summary=False,
        limit_val_batches=0,
        **options,
    )
    timing.reset_peak_memory(device)
    trainer.fit(module, datamodule=data, ckpt_path=saved)
    fit_seconds = progress.fit_seconds
    progress.note_peak_memory(device)
    (scores,) = trainer.test(module, datamodule=data, verbose=False)
    digest = checkpoints.weights_digest(net)
    evaluated_on = "validation" if protocol.validation_examples else "test"

    net = net.to(device)  # Lightning moves a net and its optimizer back to the CPU
    step_rate, flops_per_example = timing.time_steps(
        net,
        make_optimizer(net.parameters(), protocol),
        tuple(tensor[distributed.share()] for tensor in first_batch),
        clip_norm=protocol.clip_norm,
        precision=protocol.precision,
    )
    step_rate = sum(distributed.gather(step_rate))
    examples = len(data.train_dataloader().labels)
    last_epoch = module.history[-1]
    return RunRecord.of(
        spec,
        parameters=cost.parameters,
        macs=cost.macs,
        loss=last_epoch["loss"],
        train_accuracy=last_epoch["train_accuracy"],
        **{name.replace("test", evaluated_on): score for name, score in scores.items()},
        examples_per_sec=clock.examples_per_sec,
        step_examples_per_sec=step_rate,
        loop_efficiency=clock.examples_per_sec / step_rate,
        peak_memory_mb=progress.peak_memory_mb,
        train_flops=flops_per_example * examples * protocol.epochs,
        fit_seconds=fit_seconds,
        weights_digest=digest,
        resumed=progress.resumed,
        jobs=progress.jobs,
        train_examples=examples,
        data_source=dataset.source,
        history=module.history,
        **environment.describe(device, spec.ranks),
    )


def _progress_bar() -> TQDMProgressBar:
    return TQDMProgressBar(refresh_rate=10, process_position=1)


def _quieten() -> None:
    """Leave out what Lightning says of its own defaults; nothing here depends on them."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
