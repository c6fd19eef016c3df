"""One run from start to end, in one process."""

import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.callbacks import TQDMProgressBar

import datamodules
import lit_models
from benchmarks.machine import environment, process_settings
from benchmarks.measurement import calibration, flops, loop_timings, loops
from benchmarks.planning.plan import RunOptions, RunSpec, data_digest
from benchmarks.planning.sweep_config import DDP
from benchmarks.records.record import Cost, Environment, Resources, RunRecord, Scores, Speed, now
from benchmarks.training import ddp, out_of_memory
from benchmarks.training.callbacks.checkpoints import Checkpoints
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.callbacks.fit_timer import FitTimer
from benchmarks.training.callbacks.peak_memory import PeakMemory, memory_in_use
from benchmarks.training.callbacks.rank_state import RankState
from benchmarks.training.callbacks.stop_signal import StopSignal
from benchmarks.training.checkpoint_file import CheckpointFile, Content, weights_digest
from benchmarks.training.compilation import compile_net
from benchmarks.training.initialisation import initialise
from benchmarks.training.training import Training, group_size, serve
from datamodules import DataError, ImageDataset
from datamodules.datamodule import DeviceResidentDataModule

INIT_EXAMPLES = 64  # for a data-dependent initialisation


def train(
    spec: RunSpec,
    options: RunOptions,
    checkpoint: Path | None = None,
    decided_at: float | None = None,
    previous: RunRecord | None = None,
) -> RunRecord:
    """Train, test and time one net, in each of its ranks (see `training.ddp`).

    If memory runs out, the training starts again with each batch cut into micro-batches half as
    large. DDP is exempt: its ranks could not agree on a size.

    Args:
        spec: the run.
        options: how it is carried out.
        checkpoint: the file in which the training is saved and from which it resumes; None: none.
        decided_at: `time.time()` of the decision to run; None: now.
        previous: the record of the same training, whose speeds alone are measured anew; None: the
            net is trained.

    Raises:
        DataError: no data, or other data than the run was planned for.
        DivergedError: the loss is no longer finite.
        StoppedError: SIGTERM stopped the process, and the training is saved.
    """
    imported_at = time.time()
    process_settings.quieten()
    process_settings.set_up()
    device = torch.device(spec.device)
    memory_before = memory_in_use(device)
    dataset = datamodules.load(spec.dataset, options.data_dir)
    if data_digest(dataset) != spec.data_digest:
        raise DataError(f"{spec.dataset} in {options.data_dir} is not what the run was planned for")
    data = serve(dataset, device, spec.protocol, spec.seed)
    file = CheckpointFile(checkpoint) if checkpoint and previous is None else None
    saved = file.find() if file else None
    size = _first_size(spec, saved, previous)
    reference = _reference_examples_per_sec(device)
    while True:
        memory = PeakMemory(device, memory_before)
        progress = _Progress(spec, options, checkpoint, memory)
        attempt = _Attempt(spec, dataset, data, size, reference)
        try:
            parts = attempt.time(previous) if previous else attempt.run(file, saved, progress)
            break
        except Exception as error:
            can_split = spec.placement.strategy != DDP and size > 1
            if not (can_split and out_of_memory.is_out_of_memory(error)):
                raise
        # These hold the net and the optimizer's state.
        del memory, progress, attempt
        data.trainer = None
        out_of_memory.free(device)
        size, saved = ceil(size / 2), None
        print(
            f"\nbenchmarks: {spec.title}: out of memory; trained in micro-batches of {size}",
            file=sys.stderr,
        )
    parts["speed"] = replace(parts["speed"], inputs=spec.timing_inputs(options))
    if previous:
        return replace(previous, finished_at=now(), **parts)
    decided_at = decided_at or imported_at
    # A run that was stopped after its last step takes no step when it resumes.
    first_step_at = progress.clock.first_step_at
    resources = replace(
        parts["resources"],
        import_seconds=imported_at - decided_at,
        first_step_seconds=None if first_step_at is None else first_step_at - decided_at,
        micro_batches=ceil(spec.protocol.batch_size / size),
    )
    return RunRecord.of(
        spec,
        **(parts | {"resources": resources}),
        setup={"train_examples": len(data.train_batches.labels), "data_source": dataset.source},
    )


def _first_size(spec: RunSpec, saved: Content | None, previous: RunRecord | None) -> int:
    """Examples that pass the net at once in the first attempt."""
    batch_size = spec.protocol.batch_size
    if previous:
        return ceil(batch_size / previous.resources.micro_batches)
    return (saved["run"]["micro_batch_size"] if saved else None) or batch_size


def _reference_examples_per_sec(device: torch.device) -> float:
    return ddp.total(calibration.reference_examples_per_sec(device))


class _Progress:
    """The callbacks of a training."""

    def __init__(
        self, spec: RunSpec, options: RunOptions, checkpoint: Path | None, memory: PeakMemory
    ) -> None:
        self.clock, self.timer, self.memory = TrainingClock(), FitTimer(), memory
        watch, stop = DivergenceWatch(), StopSignal(is_caught=checkpoint is not None)
        self.checkpoints = Checkpoints(
            checkpoint,
            options.checkpoint_seconds,
            stop=stop,
            watch=watch,
            clocks=(self.clock, self.timer),
            jobs=options.jobs,
        )
        self.callbacks: list[Callback] = [self.clock, watch, self.timer, memory, RankState(), stop]
        self.callbacks.append(self.checkpoints)
        self.shows_steps = options.progress_bar


@dataclass(frozen=True)
class _Attempt:
    """One attempt at a run, with micro-batches of `size` examples.

    `reference` is the rate of the reference workload before the attempt.
    """

    spec: RunSpec
    dataset: ImageDataset
    data: DeviceResidentDataModule
    size: int
    reference: float

    def run(
        self, file: CheckpointFile | None, saved: Content | None, progress: _Progress
    ) -> dict[str, Any]:
        """Train, test and time the net; returns parts of a record."""
        training, cost = self._build(initialises=saved is None)
        compile_seconds = compile_net(training) if self.spec.protocol.compile else None
        history, scores = _fit_and_test(training, file, saved, progress)
        scores = replace(scores, weights_digest=weights_digest(training.net))
        rate, seconds = progress.clock.examples_per_sec, progress.timer.seconds
        speed, flops_per_example = self._time(training, rate, seconds)
        examples = len(self.data.train_batches.labels) * self.spec.protocol.epochs
        return {
            "scores": scores,
            "cost": replace(cost, train_flops=flops_per_example * examples),
            "speed": speed,
            "resources": Resources(
                peak_memory_mb=progress.memory.mb,
                fit_seconds=seconds,
                compile_seconds=compile_seconds,
                resumed=progress.checkpoints.resumed,
                jobs=progress.checkpoints.jobs,
            ),
            "environment": self._environment(),
            "history": history,
        }

    def time(self, previous: RunRecord) -> dict[str, Any]:
        """Time the net without training it; returns parts of a record."""
        training, _ = self._build(initialises=True)
        if self.spec.protocol.compile:
            compile_net(training)
        rate, seconds = previous.speed.examples_per_sec, previous.resources.fit_seconds
        speed, _ = self._time(training, rate or 1.0, seconds or 1.0, from_slices=True)
        here = self._environment()
        timed_again = f"{now()}, commit {here.commit}"
        return {
            "speed": replace(speed, timed_again=timed_again),
            "environment": replace(here, commit=previous.environment.commit),
        }

    def _build(self, initialises: bool) -> tuple[Training, Cost]:
        """The net, ready to be trained, and its cost."""
        spec, dataset, data, protocol = self.spec, self.dataset, self.data, self.spec.protocol
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
        if initialises:
            batches = islice(data.train_batches, ceil(INIT_EXAMPLES / protocol.batch_size))
            initialise(net, protocol.init, torch.cat([images for images, _ in batches]))
        net = net.to(memory_format=getattr(torch, protocol.memory_format))
        data.rank_slice = ddp.rank_slice()
        is_distributed = spec.placement.strategy == DDP
        data.group_size = 1 if is_distributed else group_size(cost.macs, data)
        training = Training(
            net,
            spec.task,
            len(dataset.classes),
            protocol,
            data,
            micro_batch_size=None if self.size == protocol.batch_size else self.size,
            options=partial(ddp.trainer_options, spec),
        )
        return training, Cost(parameters=cost.parameters, macs=cost.macs)

    def _time(
        self, training: Training, rate: float, fit_seconds: float, from_slices: bool = False
    ) -> tuple[Speed, float]:
        """The speeds of a training with this rate, and its FLOPs an example; changes the net.

        `from_slices`: the rate is that of the timed slices, not of the training.
        """
        # First, as the reference was timed before the training.
        after = _reference_examples_per_sec(training.device)
        reference = (self.reference + after) / 2
        flops_per_example = flops.training_flops(training)
        timings = loop_timings.measure(training, rate, fit_seconds)
        rate = timings.medians["loop"] if from_slices else rate
        peak = calibration.peak_flops_per_sec(training.device, training.protocol.precision)
        speed = Speed(
            examples_per_sec=rate,
            step_examples_per_sec=timings.medians["step"],
            loop_efficiency=timings.loop_efficiency,
            bound_by=timings.bound_by,
            textbook_examples_per_sec=timings.medians["textbook"],
            data_examples_per_sec=timings.medians["data"],
            reference_examples_per_sec=reference,
            reference_drift=abs(after / self.reference - 1),
            relative_speed=rate / reference,
            flops_per_sec=flops_per_example * rate,
            utilisation=flops_per_example * rate / ddp.total(peak),
            samples=timings.summary(),
        )
        return speed, flops_per_example

    def _environment(self) -> Environment:
        ranks = self.spec.placement.ranks
        return Environment(**environment.describe(self.data.device, ranks))


def _fit_and_test(
    training: Training, file: CheckpointFile | None, saved: Content | None, progress: _Progress
) -> tuple[list[dict[str, float]], Scores]:
    """The history of the training, and the scores on the test set or the held-out examples."""
    protocol, data = training.protocol, training.data
    module = training.module()
    every = ceil(10 / data.group_size)  # Lightning's bar counts a group as one batch
    bars = [TQDMProgressBar(refresh_rate=every, process_position=1)] if progress.shows_steps else []
    trainer = training.trainer(
        max_epochs=protocol.epochs,
        plugins=[file] if file else [],
        callbacks=[*progress.callbacks, *bars],
        enable_progress_bar=progress.shows_steps,
    )
    trainer.fit(module, datamodule=data, ckpt_path=file.path if file and saved else None)
    (scores,) = trainer.test(module, datamodule=data, verbose=False)
    loops.release_optimizer(trainer)
    split = "validation" if protocol.validation_examples else "test"
    last_epoch = module.history[-1]
    return module.history, Scores(
        loss=last_epoch["loss"],
        train_accuracy=last_epoch["train_accuracy"],
        **{name.replace("test", split): score for name, score in scores.items()},
    )
