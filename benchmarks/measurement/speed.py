"""The speeds of a run: the reference workload, FLOPs, the loops, inference and the peak."""

from statistics import median

import torch

from benchmarks.measurement import calibration, inference, loop_timings
from benchmarks.measurement.flops import TrainingFlops, training_flops
from benchmarks.records.parts import Speed
from benchmarks.training import ddp
from benchmarks.training.training import Training


def reference_examples_per_sec(device: torch.device) -> float:
    """Of the reference workload, summed over the ranks. A collective."""
    return ddp.total(calibration.reference_examples_per_sec(device))


def of_training_alone(training: Training, rate: float) -> tuple[Speed, TrainingFlops]:
    """The speeds of a training with this rate, nothing timed, and its FLOPs."""
    flops = training_flops(training)
    return Speed(examples_per_sec=rate, flops_per_sec=flops.per_example * rate), flops


def measure(
    training: Training,
    reference_before: float,
    rate: float,
    fit_seconds: float,
    from_slices: bool = False,
) -> tuple[Speed, TrainingFlops]:
    """The speeds of a training, and its FLOPs; changes the net. A collective.

    Args:
        training: has ended.
        reference_before: examples/sec of the reference workload just before it.
        rate: examples/sec of the training.
        fit_seconds: of the training.
        from_slices: the rate becomes that of the timed slices.
    """
    # First, as the reference was timed before the training.
    after = reference_examples_per_sec(training.device)
    flops = training_flops(training)
    timings = loop_timings.measure(training, rate, fit_seconds)
    inferences = inference.measure(training, loop_timings.slice_seconds(fit_seconds))
    rate = timings.medians["loop"] if from_slices else rate
    after = median([after, *timings.samples["reference"]])
    peak = calibration.peak_flops_per_sec(training.device, training.protocol.precision)
    samples = timings.summary() | {"inference": loop_timings.summary(inferences.samples)}
    speed = Speed(
        examples_per_sec=rate,
        examples_per_sec_q1=samples["loop"]["q1"],
        examples_per_sec_q3=samples["loop"]["q3"],
        step_examples_per_sec=timings.medians["step"],
        loop_efficiency=timings.loop_efficiency,
        bound_by=timings.bound_by,
        textbook_examples_per_sec=timings.medians["textbook"],
        data_examples_per_sec=timings.medians["data"],
        inference_examples_per_sec=inferences.median,
        inference_batch_size=inferences.batch_size,
        reference_examples_per_sec=(reference_before + after) / 2,
        reference_drift=abs(after / reference_before - 1),
        relative_speed=timings.relative_speed,
        flops_per_sec=flops.per_example * rate,
        utilisation=flops.per_example * rate / ddp.total(peak),
        samples=samples,
    )
    return speed, flops


def estimated_seconds(seconds_a_step: float, fit_seconds: float) -> float:
    """Roughly what `measure` takes."""
    loops = loop_timings.estimated_seconds(seconds_a_step, fit_seconds)
    return loops + 3 * calibration.SECONDS  # the reference workload, and the peak twice
