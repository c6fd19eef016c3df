"""One run from start to end, in one process."""

import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, inf
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

import datamodules
from benchmarks.machine import environment, process_settings
from benchmarks.measurement import loops, speed
from benchmarks.measurement.flops import TrainingFlops
from benchmarks.planning.placement import DDP
from benchmarks.planning.plan import RunOptions, RunSpec, data_digest
from benchmarks.records.artifacts import Predictions, weights_path
from benchmarks.records.parts import Cost, Environment, Resources, Scores, Speed
from benchmarks.records.record import RunRecord, now
from benchmarks.training import ddp, out_of_memory, weights
from benchmarks.training.callbacks.checkpoints import Checkpoints
from benchmarks.training.callbacks.clock import TrainingClock
from benchmarks.training.callbacks.divergence import DivergenceWatch
from benchmarks.training.callbacks.evaluation import Evaluations
from benchmarks.training.callbacks.fit_timer import FitTimer
from benchmarks.training.callbacks.other_load import OtherLoad
from benchmarks.training.callbacks.peak_memory import PeakMemory, memory_in_use
from benchmarks.training.callbacks.rank_state import RankState
from benchmarks.training.callbacks.stages import StageReports
from benchmarks.training.callbacks.stop_signal import StopSignal
from benchmarks.training.checkpoint_file import CheckpointFile
from benchmarks.training.evaluation import evaluated
from benchmarks.training.preparation import Prepared, prepare, provenance
from benchmarks.training.stage import TIMING, Report, Stage
from benchmarks.training.training import Training, serve
from benchmarks.training.weights import TrainedNet
from datamodules import DataError, ImageDataset
from datamodules.datamodule import ImageDataModule


def train(
    spec: RunSpec,
    options: RunOptions,
    checkpoint: Path | None = None,
    decided_at: float | None = None,
    previous: RunRecord | None = None,
    report: Report = lambda stage: None,
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
        report: told what the run is doing, by rank 0.

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
    dataset = datamodules.load(spec.data or spec.dataset, options.data_dir)
    if data_digest(dataset) != spec.data_digest:
        raise DataError(f"{spec.dataset} in {options.data_dir} is not what the run was planned for")
    file = CheckpointFile(checkpoint) if checkpoint and previous is None else None
    run = _Run(
        spec,
        options,
        dataset,
        data=serve(
            dataset, device, spec.protocol, spec.seed, spec.placement.devices * max(1, options.jobs)
        ),
        reference=speed.reference_examples_per_sec(device) if options.timing else None,
        memory_before=memory_before,
        file=file,
        decided_at=decided_at or imported_at,
        imported_at=imported_at,
        report=report if ddp.rank() == 0 else lambda stage: None,
    )
    content = file.find() if file else None
    saved = content["run"] if content else None
    del content  # CheckpointFile frees it once it is loaded
    size = _first_size(spec, saved, previous)
    while True:
        try:
            return run.time_again(previous, size) if previous else run.train(saved, size)
        except Exception as error:
            can_split = spec.placement.strategy != DDP and size > 1
            if not (can_split and out_of_memory.is_out_of_memory(error)):
                raise
        run.data.trainer = None  # it holds the net and the optimizer's state
        out_of_memory.free(device)
        size, saved = ceil(size / 2), None
        print(
            f"\nbenchmarks: {spec.title}: out of memory; trained in micro-batches of {size}",
            file=sys.stderr,
        )


def _first_size(spec: RunSpec, saved: dict[str, Any] | None, previous: RunRecord | None) -> int:
    """Examples that pass the net at once in the first attempt."""
    if saved:
        return saved["micro_batch_size"]
    return ceil(spec.protocol.batch_size / (previous.resources.micro_batches if previous else 1))


@dataclass(frozen=True)
class _Run:
    """What all attempts at a run share; each has micro-batches of another size.

    `reference` is the rate of the reference workload before the first attempt; None: nothing is
    timed.
    """

    spec: RunSpec
    options: RunOptions
    dataset: ImageDataset
    data: ImageDataModule
    reference: float | None
    memory_before: int
    file: CheckpointFile | None
    decided_at: float
    imported_at: float
    report: Report

    def train(self, saved: dict[str, Any] | None, size: int) -> RunRecord:
        """Train, test and time the net, from the start or as it was saved."""
        data, protocol = self.data, self.spec.protocol
        prepared = self._prepare(size, initialises=saved is None)
        training, cost = prepared.training, prepared.cost
        clock, timer, watch = TrainingClock(), FitTimer(), DivergenceWatch()
        memory = PeakMemory(data.device, self.memory_before)
        clocks = (clock, timer)
        evaluations = Evaluations(
            protocol.evaluate_every or inf, data, timer, memory=memory, clocks=clocks
        )
        steps = protocol.epochs * len(data.train_batches)
        stages = StageReports(steps, self.report, partial(self._seconds_after, steps=steps))
        load = OtherLoad()
        callbacks = [clock, watch, timer, memory, load, RankState(), stages]
        if protocol.evaluate_every is not None:
            callbacks.append(evaluations)
        before = saved or {"resumed": -1, "jobs": 0, "seconds": 0.0}

        def notes() -> dict[str, Any]:
            return {
                "resumed": before["resumed"] + 1,
                "jobs": max(before["jobs"], self.options.jobs),
                "micro_batch_size": size,
                "seconds": before["seconds"] + time.time() - self.decided_at,
            }

        if self.file:
            stop, seconds = StopSignal(), self.options.checkpoint_seconds
            saving = Checkpoints(
                self.file.path, seconds, notes, stop=stop, watch=watch, clocks=clocks
            )
            callbacks += [stop, saving]
        history, scores, predictions = self._fit_and_test(training, saved, callbacks)
        speeds, flops = self._time(training, clock.examples_per_sec, timer.seconds, load)
        examples = len(data.train_batches.labels)
        # A run that was stopped after its last step takes no step when it resumes.
        first_step_at = clock.first_step_at
        first_step_seconds = None if first_step_at is None else first_step_at - self.decided_at
        return RunRecord.of(
            self.spec,
            setup={
                "train_examples": examples,
                "initial_weights": prepared.initial_weights,
                "data_placement": data.placement,
                **provenance(self.dataset),
            },
            scores=scores,
            cost=Cost(
                parameters=cost.parameters,
                macs=cost.macs,
                train_flops=flops.per_example * examples * protocol.epochs,
                uncounted=", ".join(flops.uncounted or cost.uncounted) or None,
            ),
            speed=speeds,
            resources=Resources(
                peak_memory_mb=memory.mb,
                fit_seconds=timer.seconds,
                import_seconds=self.imported_at - self.decided_at,
                first_step_seconds=first_step_seconds,
                compile_seconds=prepared.compile_seconds,
                micro_batches=ceil(protocol.batch_size / size),
                resumed=notes()["resumed"],
                jobs=notes()["jobs"],
                total_seconds=notes()["seconds"],
            ),
            environment=self._environment(),
            history=history,
            evaluations=evaluations.measured,
            predictions=predictions,
        )

    def time_again(self, previous: RunRecord, size: int) -> RunRecord:
        """Time the net without training it."""
        training = self._prepare(size, initialises=True).training
        rate, seconds = previous.speed.examples_per_sec, previous.resources.fit_seconds
        speeds, _ = self._time(training, rate or 1.0, seconds or 1.0, OtherLoad(), from_slices=True)
        here = self._environment()
        return replace(
            previous,
            finished_at=now(),
            setup=replace(previous.setup, data_placement=self.data.placement),
            speed=replace(speeds, timed_again=f"{now()}, commit {here.commit}"),
            resources=replace(previous.resources, jobs=self.options.jobs),
            environment=replace(here, commit=previous.environment.commit),
        )

    def _prepare(self, size: int, initialises: bool) -> Prepared:
        return prepare(
            self.spec,
            self.dataset,
            self.data,
            micro_batch_size=size,
            initialises=initialises,
            data_dir=self.options.data_dir,
        )

    def _fit_and_test(
        self, training: Training, saved: dict[str, Any] | None, callbacks: list[Callback]
    ) -> tuple[list[dict[str, float]], Scores, Predictions]:
        """The history of the training; scores and predictions on the evaluated examples.

        The evaluated examples are the test set or those held out. The weights are saved.
        """
        data, file = self.data, self.file
        module = training.module()
        trainer = training.trainer(
            max_epochs=training.protocol.epochs,
            plugins=[file] if file else [],
            callbacks=callbacks,
            enable_checkpointing=file is not None,
            enable_progress_bar=False,
        )
        trainer.fit(module, datamodule=data, ckpt_path=file.path if file and saved else None)
        loops.release_optimizer(trainer)
        (logged,) = trainer.test(module, datamodule=data, verbose=False)
        split = "validation" if training.protocol.validation_examples else "test"
        scores, predictions = evaluated(module, data, self.dataset, logged, split)
        digest = weights.digest(training.net)
        if file and self.options.keep_weights and ddp.rank() == 0:
            about = TrainedNet.of(self.spec, self.dataset, digest)
            weights.save(training.net, about, weights_path(file.path))
            training.net.to(memory_format=getattr(torch, training.protocol.memory_format))
        return module.history, replace(scores, weights_digest=digest), predictions

    def _time(
        self,
        training: Training,
        rate: float,
        fit_seconds: float,
        load: OtherLoad,
        from_slices: bool = False,
    ) -> tuple[Speed, TrainingFlops]:
        """The speeds of a training with this rate, and its FLOPs; changes the net.

        `from_slices`: the rate is that of the timed slices, not of the training.
        """
        with load.counted():
            if self.reference is None:
                found, flops = speed.of_training_alone(training, rate)
            else:
                seconds_a_step = self.spec.protocol.batch_size / rate
                seconds_left = speed.estimated_seconds(seconds_a_step, fit_seconds)
                self.report(Stage(TIMING, seconds_left, done=1.0))
                found, flops = speed.measure(
                    training, self.reference, rate, fit_seconds, from_slices
                )
                found = replace(found, inputs=self.spec.timing_inputs(self.options))
        # Several runs at a time would count as the load of others.
        return found.beside(load.fraction if self.options.jobs == 1 else None), flops

    def _seconds_after(self, seconds_a_step: float, steps: int) -> float:
        """Roughly the seconds from the end of the training to the record."""
        protocol = self.spec.protocol
        examples = protocol.validation_examples or len(self.dataset.test_labels)
        # A test has the forward pass of a step alone, about a third of it.
        testing = examples / protocol.batch_size * seconds_a_step / 3
        timing = speed.estimated_seconds(seconds_a_step, seconds_a_step * steps)
        return testing + (timing if self.options.timing else 0.0)

    def _environment(self) -> Environment:
        return Environment(**environment.describe(self.data.device, self.spec.placement.ranks))
