"""The parts of a record; whatever makes a part documents its fields here, a line each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.planning.variation import label
from datamodules import CLASSIFICATION


def record_field(doc: str, unit: str = "", default: Any = None, **options: Any) -> Any:
    """A field with its meaning and unit."""
    if not options:
        options["default"] = default
    return field(**options, metadata={"doc": doc, "unit": unit})


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What was run, made from the plan."""

    model: str = record_field("name of the net")
    dataset: str = record_field("name of the dataset")
    task: str = record_field("classification or segmentation", default=CLASSIFICATION)
    protocol: str = record_field("name of the protocol, with overridden fields")
    seed: int = record_field("seed of every random number")
    image_size: int = record_field("height and width of the images", "px")
    batch_size: int = record_field("examples a training step", "examples")
    epochs: int = record_field("passes over the training examples")
    train_examples: int | None = record_field("size of the training set", "examples")
    subset: str = record_field("which training examples: fixed, or drawn by_seed", default="fixed")
    precision: str = record_field("32-true or bf16-mixed")
    memory_format: str = record_field("layout of images and weights")
    initial_weights: str | None = record_field(
        "weights from which the training started: source, digest, tensors adapted and new; empty: "
        "from scratch"
    )
    compile: bool = record_field("whether torch.compile compiled the net", default=False)
    device_type: str = record_field("cpu, cuda or mps")
    devices: int = record_field("devices on each node; on a CPU, processes", default=1)
    num_nodes: int = record_field("machines", default=1)
    strategy: str = record_field("single_device or ddp", default="single_device")
    data_source: str | None = record_field("where the dataset was found")
    data_placement: str = record_field(
        "where the examples lay: in the memory of the device, of its host, or on disk",
        default="device",
    )
    skipped_files: int = record_field("damaged files that --skip-damaged left out", default=0)
    mean: list[float] = record_field(
        "of the training pixels, from 0 to 1, a channel", default_factory=list
    )
    std: list[float] = record_field("their standard deviation", default_factory=list)
    key: str = record_field("hash of all that can change the accuracy")
    protocol_digest: str = record_field("hash of the protocol of all models")
    data_digest: str = record_field("hash of images, labels and normalisation")
    varied: str | None = record_field("the field of the protocol that the comparison varies")
    varied_value: float | str | None = record_field("its value in this run")
    settings: dict[str, Any] = record_field("the protocol of this model", default_factory=dict)
    inputs: dict[str, Any] = record_field(
        "what the key is a hash of, by name", default_factory=dict
    )

    @property
    def label(self) -> str:
        """The model, with its value of the varied field."""
        return label(self.model, self.varied, self.varied_value)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How well the net did. Accuracies are fractions of examples, or of pixels in segmentation."""

    loss: float | None = record_field("mean over the last epoch's training examples", "nats")
    train_accuracy: float | None = record_field(
        "over the last epoch's training examples, in train mode"
    )
    test_accuracy: float | None = record_field("over all test examples, after the last epoch")
    validation_accuracy: float | None = record_field("over the held-out examples, if there are any")
    test_mean_iou: float | None = record_field("mean over the classes of intersection over union")
    validation_mean_iou: float | None = record_field("the same over the held-out examples")
    test_balanced_accuracy: float | None = record_field(
        "mean over the classes of the accuracy on a class, where their sizes differ much"
    )
    validation_balanced_accuracy: float | None = record_field("the same over the held-out examples")
    evaluated_examples: int | None = record_field(
        "examples over which test or validation accuracy is taken", "examples"
    )
    majority_share: float | None = record_field(
        "accuracy over them of a net that always answers with their most frequent class"
    )
    weights_digest: str | None = record_field("hash of the trained weights")
    predictions_digest: str | None = record_field("hash of the predictions, predictions/<run>.npz")
    labels_digest: str | None = record_field("hash of the true classes of the evaluated images")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the net costs, counted rather than timed."""

    parameters: int | None = record_field("trainable numbers")
    macs: int | None = record_field(
        "multiply-adds of convolutions and matrix products for one image"
    )
    train_flops: float | None = record_field("FLOPs of the whole training, counted on a real step")
    uncounted: str | None = record_field(
        "operations that macs and train_flops omit; if any, these are at least so many"
    )


# Of `other_load`: a run with more had company, and what bounds its speed is not said.
COMPANY = 0.1


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast the net trains, and what bounds it (benchmarks/measurement)."""

    examples_per_sec: float | None = record_field("of the training loop on real data", "examples/s")
    step_examples_per_sec: float | None = record_field(
        "of a bare PyTorch loop on one resident batch; median", "examples/s"
    )
    loop_efficiency: float | None = record_field(
        "examples_per_sec over step_examples_per_sec, timed in turns; median"
    )
    bound_by: str | None = record_field("what takes most of the loop: net, data or framework")
    textbook_examples_per_sec: float | None = record_field(
        "by the clock of Dive into Deep Learning, from batch to batch; median", "examples/s"
    )
    data_examples_per_sec: float | None = record_field("of the batches alone; median", "examples/s")
    reference_examples_per_sec: float | None = record_field(
        "rate of the reference workload: mean of its rate before the training and its rate after, "
        "which is the median of all timings since the end of the training",
        "examples/s",
    )
    reference_drift: float | None = record_field(
        "change of the reference workload's rate from before the training to after it; 0.05 is 5 %"
    )
    relative_speed: float | None = record_field(
        "rate of the training loop over the reference workload's, timed in turns; median"
    )
    examples_per_sec_q1: float | None = record_field(
        "lower quartile of the rounds in which the loop was timed", "examples/s"
    )
    examples_per_sec_q3: float | None = record_field("upper quartile of these rounds", "examples/s")
    inference_examples_per_sec: float | None = record_field(
        "in eval mode, at the fastest batch size up to the training's; median", "examples/s"
    )
    inference_batch_size: int | None = record_field("that batch size", "examples")
    flops_per_sec: float | None = record_field("FLOPs of training a second", "FLOP/s")
    utilisation: float | None = record_field("flops_per_sec over the device's measured peak")
    other_load: float | None = record_field(
        "CPU time that other processes used during training and timing, of the cores that the run "
        "may use; 0.05 is 5 %; empty if several runs shared the machine"
    )
    timed_again: str | None = record_field(
        "time and commit of a later timing, with the loop's slices as examples_per_sec; empty: "
        "the speeds were measured with the training"
    )
    samples: dict[str, Any] = record_field(
        "samples, median and IQR of each loop", default_factory=dict
    )
    inputs: dict[str, Any] = record_field(
        "what can change the speeds alone, by name", default_factory=dict
    )

    def beside(self, other_load: float | None) -> Speed:
        """The same speeds beside such a load: too high, it hides what bounds the run."""
        had_company = other_load is not None and other_load > COMPANY
        return replace(self, other_load=other_load, bound_by=None if had_company else self.bound_by)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Memory and time that the run took."""

    peak_memory_mb: float | None = record_field("of the training, above the start", "MiB")
    fit_seconds: float | None = record_field("the training from start to end", "s")
    import_seconds: float | None = record_field(
        "from the decision to run to the end of imports", "s"
    )
    first_step_seconds: float | None = record_field(
        "from the decision to run to the first step", "s"
    )
    compile_seconds: float | None = record_field("of torch.compile", "s")
    total_seconds: float | None = record_field("from the decision to run to the record", "s")
    micro_batches: int = record_field("parts in which a batch fits in memory", default=1)
    resumed: int = record_field("times the training went on from a checkpoint", default=0)
    jobs: int = record_field("runs that shared the machine when speeds were measured", default=1)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where and with what the net was trained (benchmarks/machine)."""

    device: str = record_field("name and number of the devices; before a run has begun, their type")
    threads: int | None = record_field("threads of PyTorch")
    affinity: str | None = record_field("numbers of the CPU cores the process may use")
    flushes_denormals: bool | None = record_field("whether denormal numbers count as zero")
    tf32: bool | None = record_field("whether fp32 may be computed in TF32")
    cudnn_autotune: bool | None = record_field("whether cuDNN chose its kernels by timing them")
    torch_version: str | None = record_field("version of PyTorch")
    lightning_version: str | None = record_field("version of Lightning")
    torchvision_version: str | None = record_field("version of torchvision")
    python_version: str | None = record_field("version of Python")
    commit: str | None = record_field("commit of this suite, marked -dirty where the code differs")
