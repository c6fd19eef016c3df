"""The record of a run, composed of parts.

Whatever makes a part documents its fields here; a new field is one line. The flat row of a record
(`RunRecord.row`) has the fields of all parts and is a row of the results CSV.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.planning.variation import label
from benchmarks.records.artifacts import Predictions
from datamodules import CLASSIFICATION

if TYPE_CHECKING:
    from benchmarks.planning.plan import RunSpec

SCHEMA = 2

# How a run ended: well; with an error; with a loss that is not finite; by `--timeout`; by a signal
# from outside, such as the system's when memory runs out.
OK, FAILED, DIVERGED, TIMEOUT, KILLED = "ok", "failed", "diverged", "timeout", "killed"


class NewerSchemaError(ValueError):
    """A record that a later version of this suite wrote."""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _field(doc: str, unit: str = "", default: Any = None, **options: Any) -> Any:
    """A field with its meaning and unit."""
    if not options:
        options["default"] = default
    return field(**options, metadata={"doc": doc, "unit": unit})


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What was run, made from the plan."""

    model: str = _field("name of the net")
    dataset: str = _field("name of the dataset")
    task: str = _field("classification or segmentation", default=CLASSIFICATION)
    protocol: str = _field("name of the protocol, with overridden fields")
    seed: int = _field("seed of every random number")
    image_size: int = _field("height and width of the images", "px")
    batch_size: int = _field("examples a training step", "examples")
    epochs: int = _field("passes over the training examples")
    train_examples: int | None = _field("size of the training set", "examples")
    subset: str = _field("which training examples: fixed, or drawn by_seed", default="fixed")
    precision: str = _field("32-true or bf16-mixed")
    memory_format: str = _field("layout of images and weights")
    initial_weights: str | None = _field(
        "weights from which the training started: source, digest, tensors adapted and new; empty: "
        "from scratch"
    )
    compile: bool = _field("whether torch.compile compiled the net", default=False)
    device_type: str = _field("cpu, cuda or mps")
    devices: int = _field("devices on each node; on a CPU, processes", default=1)
    num_nodes: int = _field("machines", default=1)
    strategy: str = _field("single_device or ddp", default="single_device")
    data_source: str | None = _field("where the dataset was found")
    skipped_files: int = _field("damaged files that --skip-damaged left out", default=0)
    mean: list[float] = _field(
        "of the training pixels, from 0 to 1, a channel", default_factory=list
    )
    std: list[float] = _field("their standard deviation", default_factory=list)
    key: str = _field("hash of all that can change the accuracy")
    protocol_digest: str = _field("hash of the protocol of all models")
    data_digest: str = _field("hash of images, labels and normalisation")
    varied: str | None = _field("the field of the protocol that the comparison varies")
    varied_value: float | str | None = _field("its value in this run")
    settings: dict[str, Any] = _field("the protocol of this model", default_factory=dict)
    inputs: dict[str, Any] = _field("what the key is a hash of, by name", default_factory=dict)

    @property
    def label(self) -> str:
        """The model, with its value of the varied field."""
        return label(self.model, self.varied, self.varied_value)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How well the net did. Accuracies are fractions of examples, or of pixels in segmentation."""

    loss: float | None = _field("mean over the last epoch's training examples", "nats")
    train_accuracy: float | None = _field("over the last epoch's training examples, in train mode")
    test_accuracy: float | None = _field("over all test examples, after the last epoch")
    validation_accuracy: float | None = _field("over the held-out examples, if there are any")
    test_mean_iou: float | None = _field("mean over the classes of intersection over union")
    validation_mean_iou: float | None = _field("the same over the held-out examples")
    test_balanced_accuracy: float | None = _field(
        "mean over the classes of the accuracy on a class, where their sizes differ much"
    )
    validation_balanced_accuracy: float | None = _field("the same over the held-out examples")
    evaluated_examples: int | None = _field(
        "examples over which test or validation accuracy is taken", "examples"
    )
    majority_share: float | None = _field(
        "accuracy over them of a net that always answers with their most frequent class"
    )
    weights_digest: str | None = _field("hash of the trained weights")
    predictions_digest: str | None = _field("hash of the predictions, predictions/<run>.npz")
    labels_digest: str | None = _field("hash of the true classes of the evaluated images")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the net costs, counted rather than timed."""

    parameters: int | None = _field("trainable numbers")
    macs: int | None = _field("multiply-adds of convolutions and matrix products for one image")
    train_flops: float | None = _field("FLOPs of the whole training, counted on a real step")
    uncounted: str | None = _field(
        "operations that macs and train_flops omit; if any, these are at least so many"
    )


# Of `other_load`: a run with more had company, and what bounds its speed is not said.
COMPANY = 0.1


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast the net trains, and what bounds it (benchmarks/measurement)."""

    examples_per_sec: float | None = _field("of the training loop on real data", "examples/s")
    step_examples_per_sec: float | None = _field(
        "of a bare PyTorch loop on one resident batch; median", "examples/s"
    )
    loop_efficiency: float | None = _field(
        "examples_per_sec over step_examples_per_sec, timed in turns; median"
    )
    bound_by: str | None = _field("what takes most of the loop: net, data or framework")
    textbook_examples_per_sec: float | None = _field(
        "by the clock of Dive into Deep Learning, from batch to batch; median", "examples/s"
    )
    data_examples_per_sec: float | None = _field("of the batches alone; median", "examples/s")
    reference_examples_per_sec: float | None = _field(
        "of the reference workload, before and after the training; mean", "examples/s"
    )
    reference_drift: float | None = _field(
        "change of the reference workload's rate during the training; 0.05 is 5 %"
    )
    relative_speed: float | None = _field("examples_per_sec over reference_examples_per_sec")
    examples_per_sec_q1: float | None = _field(
        "lower quartile of the rounds in which the loop was timed", "examples/s"
    )
    examples_per_sec_q3: float | None = _field("upper quartile of these rounds", "examples/s")
    inference_examples_per_sec: float | None = _field(
        "in eval mode, at the fastest batch size up to the training's; median", "examples/s"
    )
    inference_batch_size: int | None = _field("that batch size", "examples")
    flops_per_sec: float | None = _field("FLOPs of training a second", "FLOP/s")
    utilisation: float | None = _field("flops_per_sec over the device's measured peak")
    other_load: float | None = _field(
        "CPU time that other processes used during training and timing, of the cores that the run "
        "may use; 0.05 is 5 %; empty if several runs shared the machine"
    )
    timed_again: str | None = _field(
        "time and commit of a later timing, with the loop's slices as examples_per_sec; empty: "
        "the speeds were measured with the training"
    )
    samples: dict[str, Any] = _field("samples, median and IQR of each loop", default_factory=dict)
    inputs: dict[str, Any] = _field(
        "what can change the speeds alone, by name", default_factory=dict
    )

    def beside(self, other_load: float | None) -> Speed:
        """The same speeds beside such a load: too high, it hides what bounds the run."""
        had_company = other_load is not None and other_load > COMPANY
        return replace(self, other_load=other_load, bound_by=None if had_company else self.bound_by)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Memory and time that the run took."""

    peak_memory_mb: float | None = _field("of the training, above the start", "MiB")
    fit_seconds: float | None = _field("the training from start to end", "s")
    import_seconds: float | None = _field("from the decision to run to the end of imports", "s")
    first_step_seconds: float | None = _field("from the decision to run to the first step", "s")
    compile_seconds: float | None = _field("of torch.compile", "s")
    total_seconds: float | None = _field("from the decision to run to the record", "s")
    micro_batches: int = _field("parts in which a batch fits in memory", default=1)
    resumed: int = _field("times the training went on from a checkpoint", default=0)
    jobs: int = _field("runs that shared the machine when speeds were measured", default=1)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where and with what the net was trained (benchmarks/machine)."""

    device: str = _field("name and number of the devices; before a run has begun, their type")
    threads: int | None = _field("threads of PyTorch")
    affinity: str | None = _field("numbers of the CPU cores the process may use")
    flushes_denormals: bool | None = _field("whether denormal numbers count as zero")
    tf32: bool | None = _field("whether fp32 may be computed in TF32")
    cudnn_autotune: bool | None = _field("whether cuDNN chose its kernels by timing them")
    torch_version: str | None = _field("version of PyTorch")
    lightning_version: str | None = _field("version of Lightning")
    torchvision_version: str | None = _field("version of torchvision")
    python_version: str | None = _field("version of Python")
    commit: str | None = _field("commit of this suite, marked -dirty where the code differs")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All that a run leaves behind."""

    status: str = _field("ok, failed, diverged, timeout or killed", default=OK)
    error: str | None = _field("why it did not end well")
    made_in: str | None = _field("identity of the results folder")
    finished_at: str = _field("when the run ended, UTC", default_factory=now)
    setup: Setup
    scores: Scores = Scores()
    cost: Cost = Cost()
    speed: Speed = Speed()
    resources: Resources = Resources()
    environment: Environment
    history: list[dict[str, float]] = _field(
        "loss and accuracy of each epoch", default_factory=list
    )
    evaluations: list[dict[str, float]] = _field(
        "accuracy on the evaluated images on the way: epoch, seconds of training and accuracy",
        default_factory=list,
    )
    # On the way from the run to the store, which writes them to a file of their own.
    predictions: Predictions | None = field(
        default=None,
        compare=False,
        repr=False,
        metadata={"doc": "in a file of its own, predictions/<run>.npz", "unit": ""},
    )

    @classmethod
    def of(cls, spec: RunSpec, **values: Any) -> RunRecord:
        """The record of a run; what the spec knows is filled in.

        Args:
            spec: the run.
            values: fields of the record; fields of `Setup` that the spec does not know, or knows
                less well, are given as `setup`, a dictionary.
        """
        known = spec.training_inputs["protocol"] | vars(spec.placement) | vars(spec)
        known |= {"task": spec.task, "key": spec.key, "protocol": spec.protocol_name}
        known |= {"settings": spec.training_inputs["protocol"], "inputs": spec.training_inputs}
        known |= {"device_type": spec.device, "varied_value": spec.varied_value}
        setup = _known(Setup, known | values.pop("setup", {}))
        environment = values.pop("environment", Environment(device=spec.device))
        return cls(setup=setup, environment=environment, **values)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> RunRecord:
        """A record of any schema as it was written; unknown fields are left out.

        Raises:
            NewerSchemaError: a later version of this suite wrote it.
            TypeError, ValueError, AttributeError, KeyError: the content is not a record.
        """
        schema = content.get("schema", 1)
        if schema > SCHEMA:
            raise NewerSchemaError(f"its schema is {schema}, and this version reads up to {SCHEMA}")
        if schema == 1:  # it was flat, and had the samples of the loops as `speeds`
            flat = content | {"samples": content.get("speeds", {})}
            content = flat | dict.fromkeys(PARTS, flat)
        parts = {name: _known(kind, content[name]) for name, kind in PARTS.items()}
        if parts["setup"].device_type is None:
            device_type = _device_type(parts["environment"].device)
            parts["setup"] = replace(parts["setup"], device_type=device_type)
        return _known(cls, content | parts)

    def to_dict(self) -> dict[str, Any]:
        """The record as it is written."""
        content = asdict(replace(self, predictions=None))
        del content["predictions"]
        return {"schema": SCHEMA, **content}

    def row(self) -> dict[str, Any]:
        """The record as a flat row of the results CSV."""
        nested = [self, *(getattr(self, part) for part in PARTS)]
        flat = {f.name: getattr(part, f.name) for part in nested for f in fields(part)}
        return {column: flat[column] for column in COLUMNS}


PARTS = {
    part.__name__.lower(): part for part in (Setup, Scores, Cost, Speed, Resources, Environment)
}

_NOT_IN_CSV = {
    *("settings", "inputs", "samples", "history", "evaluations", "predictions", "mean", "std"),
    *PARTS,
}

# The identity of a run comes first, what it ended with next, then the parts.
_FIRST = ["model", "dataset", "task", "protocol", "seed", "status", "error"]
COLUMNS = _FIRST + [
    f.name
    for part in (Cost, Scores, Speed, Resources, Setup, Environment, RunRecord)
    for f in fields(part)
    if f.name not in {*_NOT_IN_CSV, *_FIRST}
]


def _device_type(name: str) -> str:
    """The type of a device with this name, for records that do not hold it."""
    if name.endswith(" threads") or name == "cpu":
        return "cpu"
    return "mps" if name.endswith(" GPU") or name == "mps" else "cuda"


def _known(kind: type, content: dict[str, Any]) -> Any:
    """An instance of a part, or of the record, from the fields it has."""
    names = {f.name for f in fields(kind)}
    required = {"model", "dataset", "protocol", "seed", "key"} & names
    if missing := required - content.keys():
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return kind(**{name: value for name, value in content.items() if name in names})
