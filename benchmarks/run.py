"""One run from start to end, in one process."""

import sys
import time
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path

import torch
from lightning.pytorch import seed_everything
from lightning.pytorch.callbacks import TQDMProgressBar

import datamodules
import lit_models
from benchmarks.machine import environment, process_settings
from benchmarks.measurement import calibration, flops, loop_timings, loops
from benchmarks.planning.plan import DDP, RunSpec, data_digest
from benchmarks.records.record import RunRecord
from benchmarks.training import ddp
from benchmarks.training.callbacks import checkpoints, peak_memory
from benchmarks.training.callbacks.checkpoints import CheckpointFile, Checkpoints
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.compilation import compile_net
from benchmarks.training.initialisation import initialise
from benchmarks.training.training import Training, group_size
from datamodules import DataError, ImageDataset
from datamodules.datamodule import DeviceResidentDataModule

INIT_EXAMPLES = 64  # seen by a data-dependent initialisation


def train(
    spec: RunSpec,
    data_dir: Path,
    progress_bar: bool = False,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = checkpoints.SECONDS,
    jobs: int = 1,
    decided_at: float | None = None,
) -> RunRecord:
    """Train, test and time one net as `spec` says, in each of its ranks (see `distributed`).

    If memory runs out, it starts anew with each batch cut into micro-batches half as large; not so
    with DDP, whose ranks could not agree.

    Args:
        spec: the run.
        data_dir: the data folder.
        progress_bar: show the steps of the run, under the bar of the sweep.
        checkpoint: the file from which the training goes on, and in which it is saved; None: none.
        checkpoint_seconds: time between two checkpoints within an epoch.
        jobs: how many runs share the machine.
        decided_at: when it was decided to run, by `time.time`; None: now.

    Raises:
        DataError: the data are not to be had, or others than the run was planned for.
        DivergedError: the loss is no longer finite.
        StoppedError: the process was told to terminate, and the training is saved.
    """
    imported_at = time.time()
    decided_at = decided_at or imported_at
    process_settings.quieten()
    process_settings.set_up()
    protocol, device = spec.protocol, torch.device(spec.device)
    peak = peak_memory.PeakMemory(device)
    dataset = datamodules.load(spec.dataset, data_dir)
    if data_digest(dataset) != spec.data_digest:
        raise DataError(f"{spec.dataset} in {data_dir} is not what the run was planned for")
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
        memory_format=getattr(torch, protocol.memory_format),
    )
    file = CheckpointFile(checkpoint) if checkpoint else None
    saved = file.find() if file else None
    micro_batch_size = file.micro_batch_size if saved else None
    reference_before = ddp.total(calibration.reference_examples_per_sec(device))
    while True:
        size = micro_batch_size or protocol.batch_size
        progress = Checkpoints(
            checkpoint, checkpoint_seconds, TrainingClock(), DivergenceWatch(), peak, jobs
        )
        try:
            trained = _attempt(
                spec, dataset, data, file, saved, micro_batch_size, progress, progress_bar
            )
            break
        except Exception as error:
            can_split = spec.strategy != DDP and size > 1
            if not (can_split and peak_memory.is_out_of_memory(error)):
                raise
        data.trainer = progress = None  # which hold the net, and what its optimizer keeps
        peak_memory.free(device)
        micro_batch_size, saved = ceil(size / 2), None
        attempt = f"{micro_batch_size} examples go through the net at once"
        print(f"\nbenchmarks: {spec.title}: out of memory; {attempt}", file=sys.stderr)
    clock, measured = progress.clock, trained.speeds
    examples_per_sec = clock.examples_per_sec
    reference = (reference_before + trained.reference_after) / 2
    flops_per_sec = trained.flops_per_example * examples_per_sec
    examples = len(data.train_batches.labels)
    last_epoch = trained.history[-1]
    # A run that was cut short after its last step takes none when it goes on.
    first_step_at = clock.first_step_at
    return RunRecord.of(
        spec,
        parameters=trained.cost.parameters,
        macs=trained.cost.macs,
        loss=last_epoch["loss"],
        train_accuracy=last_epoch["train_accuracy"],
        **trained.scores,
        examples_per_sec=examples_per_sec,
        step_examples_per_sec=measured.medians["step"],
        loop_efficiency=measured.loop_efficiency,
        bound_by=measured.bound_by,
        textbook_examples_per_sec=measured.medians["textbook"],
        data_examples_per_sec=measured.medians["data"],
        reference_examples_per_sec=reference,
        reference_drift=abs(trained.reference_after / reference_before - 1),
        relative_speed=examples_per_sec / reference,
        peak_memory_mb=progress.peak_memory_mb,
        train_flops=trained.flops_per_example * examples * protocol.epochs,
        flops_per_sec=flops_per_sec,
        utilisation=flops_per_sec / trained.peak_flops_per_sec,
        fit_seconds=trained.fit_seconds,
        import_seconds=imported_at - decided_at,
        first_step_seconds=None if first_step_at is None else first_step_at - decided_at,
        compile_seconds=trained.compile_seconds,
        weights_digest=trained.weights_digest,
        micro_batches=ceil(protocol.batch_size / size),
        resumed=progress.resumed,
        jobs=progress.jobs,
        train_examples=examples,
        data_source=dataset.source,
        history=trained.history,
        speeds=measured.summary(),
        **environment.describe(device, spec.ranks),
    )


@dataclass(frozen=True)
class _Trained:
    cost: lit_models.Cost
    compile_seconds: float | None
    fit_seconds: float
    history: list[dict[str, float]]
    scores: dict[str, float]
    weights_digest: str
    reference_after: float
    flops_per_example: float
    speeds: loop_timings.LoopTimings
    peak_flops_per_sec: float


def _attempt(
    spec: RunSpec,
    dataset: ImageDataset,
    data: DeviceResidentDataModule,
    file: CheckpointFile | None,
    saved: Path | None,
    micro_batch_size: int | None,
    progress: Checkpoints,
    progress_bar: bool,
) -> _Trained:
    """Build the net, train, test and time it."""
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
    net = net.to(data.device)
    if saved is None:
        batches = islice(data.train_batches, ceil(INIT_EXAMPLES / protocol.batch_size))
        initialise(net, protocol.init, torch.cat([images for images, _ in batches]))
    net = net.to(memory_format=getattr(torch, protocol.memory_format))
    data.rank_slice = ddp.rank_slice()
    data.group_size = 1 if spec.strategy == DDP else group_size(cost.macs, data)
    options = partial(ddp.trainer_options, spec)
    training = Training(
        net, spec.task, len(dataset.classes), protocol, data, micro_batch_size, options
    )
    compile_seconds = compile_net(training) if protocol.compile else None
    history, fit_seconds, scores = _fit_and_test(training, file, saved, progress, progress_bar)
    digest = checkpoints.weights_digest(net)  # before timing changes the net
    return _Trained(
        cost=cost,
        compile_seconds=compile_seconds,
        fit_seconds=fit_seconds,
        history=history,
        scores=scores,
        weights_digest=digest,
        # First of all that is timed, as the one before the training was.
        reference_after=ddp.total(calibration.reference_examples_per_sec(data.device)),
        flops_per_example=flops.training_flops(training),
        speeds=loop_timings.measure(training, progress.clock.examples_per_sec, fit_seconds),
        peak_flops_per_sec=ddp.total(
            calibration.peak_flops_per_sec(data.device, protocol.precision)
        ),
    )


def _fit_and_test(
    training: Training,
    file: CheckpointFile | None,
    saved: Path | None,
    progress: Checkpoints,
    progress_bar: bool,
) -> tuple[list[dict[str, float]], float, dict[str, float]]:
    """History, seconds of training, and scores on the test set or what is held out."""
    protocol, data = training.protocol, training.data
    module = training.module()
    every = ceil(10 / data.group_size)  # the bar counts a group as one batch
    bars = [TQDMProgressBar(refresh_rate=every, process_position=1)] if progress_bar else []
    trainer = training.trainer(
        max_epochs=protocol.epochs,
        plugins=[file] if file else [],
        callbacks=[progress.clock, progress.watch, progress, *bars],
        enable_progress_bar=progress_bar,
    )
    progress.memory.reset()
    trainer.fit(module, datamodule=data, ckpt_path=saved)
    fit_seconds = progress.fit_seconds
    progress.note_peak_memory()
    (scores,) = trainer.test(module, datamodule=data, verbose=False)
    loops.release_optimizer(trainer)
    evaluated_on = "validation" if protocol.validation_examples else "test"
    scores = {name.replace("test", evaluated_on): score for name, score in scores.items()}
    return module.history, fit_seconds, scores
