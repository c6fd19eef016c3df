"""What a person asked for: checked here, in one place, before anything is planned."""

from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import datamodules
from benchmarks.errors import UsageError, unknown
from benchmarks.planning.protocol import AUTO, Protocol
from datamodules import ImageDataset

DEVICES = ("auto", "cpu", "cuda", "mps")
EXECUTORS = ("local", "ray")

# SINGLE_DEVICE: one process. DDP: a process for each device (DistributedDataParallel).
SINGLE_DEVICE, DDP = "single_device", "ddp"
STRATEGIES = ("auto", SINGLE_DEVICE, DDP)


@dataclass(frozen=True)
class Placement:
    """The devices of one run.

    Args:
        device: type of device; `auto` until it is resolved.
        devices: number of devices on each machine.
        num_nodes: number of machines.
        strategy: `single_device` or `ddp`; `auto` until it is resolved.

    Raises:
        UsageError: an unknown name, or a number below 1.
    """

    device: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("device", self.device, DEVICES),
            ("strategy", self.strategy, STRATEGIES),
        ):
            if name not in known:
                raise unknown(kind, name, known)
        _check_above_zero(devices=self.devices, num_nodes=self.num_nodes)

    @property
    def ranks(self) -> int:
        """Number of processes that train one net together."""
        return self.devices * self.num_nodes

    def resolved(self, executor: str = "local") -> "Placement":
        """The placement on this machine, or on the cluster, with device and strategy decided.

        Raises:
            UsageError: this machine lacks the devices, or the strategy cannot use them.
        """
        from benchmarks.machine.environment import check_devices, resolve_device

        device, strategy = self.device, self.strategy
        # A cluster may have a device that this machine lacks.
        if executor == "local" or device == "auto":
            device = resolve_device(device)
        if strategy == "auto":
            strategy = DDP if self.ranks > 1 else SINGLE_DEVICE
        if strategy == SINGLE_DEVICE and self.ranks > 1:
            raise UsageError("several devices need --strategy ddp")
        if strategy == DDP and device == "mps":
            raise UsageError("strategy ddp works on cpu and cuda, not on mps")
        if executor == "local":
            check_devices(device, self.devices)
        return replace(self, device=device, strategy=strategy)


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """A sweep as asked for.

    Args:
        models: names or wildcards; names once resolved.
        dataset: one of `datamodules.NAMES`.
        protocol: the recipe; None: `quick` on a CPU, `standard` on an accelerator.
        protocol_name: names the folder of results.
        overrides: fields of an automatic protocol that are overridden, as YAML text.
        placement: devices of a run.
        seeds: one run of each model for each.
        executor: one of `EXECUTORS`.
        jobs: runs at a time on a machine; None: 1, with ray one a GPU.
        timeout: seconds a run may take; None: no limit.
        checkpoint_seconds: time between two checkpoints within an epoch.
        force: run again what has finished.
        results: folder of records, tables and plots.
        data_dir: folder of datasets.

    Raises:
        UsageError: a value that cannot be served.
    """

    models: tuple[str, ...]
    dataset: str
    protocol: Protocol | None = None
    protocol_name: str = AUTO
    overrides: dict[str, str] = field(default_factory=dict)
    placement: Placement = field(default_factory=Placement)
    seeds: tuple[int, ...] = (0,)
    executor: str = "local"
    jobs: int | None = None
    timeout: float | None = None
    checkpoint_seconds: float = 30.0
    force: bool = False
    results: Path = Path("results")
    data_dir: Path = Path("data")

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("--models names nothing")
        if self.dataset not in datamodules.NAMES:
            raise unknown("dataset", self.dataset, datamodules.NAMES)
        if self.executor not in EXECUTORS:
            raise unknown("executor", self.executor, EXECUTORS)
        if self.executor != "local" and self.placement.ranks > 1:
            raise UsageError("several devices can share a run only with --executor local")
        _check_above_zero(jobs=self.jobs, timeout=self.timeout)
        if not self.checkpoint_seconds >= 0:
            raise UsageError("--checkpoint-seconds must be at least 0")
        if self.placement.num_nodes > 1 and self.jobs not in (None, 1):
            raise UsageError("--jobs must be 1 where several nodes share a run")
        for seed in self.seeds:
            if not 0 <= seed < 2**32:
                raise UsageError(f"seed {seed} is not a whole number from 0 to 2**32 - 1")

    @property
    def folder(self) -> Path:
        """The folder of this comparison's results."""
        return self.results / self.dataset / self.protocol_name

    def resolved(self) -> "SweepConfig":
        """The same sweep with device, protocol and models decided.

        Raises:
            ModelError: no such model, or images too small for it.
            UsageError: a combination that cannot be served.
        """
        import lit_models

        if self.executor == "ray" and find_spec("ray") is None:
            raise UsageError("the executor ray needs Ray; install it by `pip install ray`")
        placement = self.placement.resolved(self.executor)
        protocol, name = self.protocol, self.protocol_name
        if protocol is None:
            name = "quick" if placement.device == "cpu" else "standard"
            protocol = Protocol.load(name, self.overrides)
            name = protocol.title(name, self.overrides)
        task = datamodules.TASKS[self.dataset]
        models = tuple(lit_models.select(self.models, protocol.models or None, task))
        for model in models:
            check_task(model, self.dataset)
            lit_models.check_image_size(model, protocol.for_model(model).image_size)
        if protocol.compile and placement.strategy == DDP:
            # DDP and SyncBatchNorm change a net after it was compiled.
            raise UsageError("strategy ddp, and so several devices, cannot train a compiled net")
        return replace(
            self, models=models, protocol=protocol, protocol_name=name, placement=placement
        )

    def settings(self, model: str) -> Protocol:
        """The settings that one model is trained with."""
        if self.protocol is None:
            raise ValueError("the protocol of this sweep is not resolved")
        return self.protocol.for_model(model)

    def check_data(self, dataset: ImageDataset) -> None:
        """Check that the models can be trained on these examples.

        Raises:
            ModelError: a net of another library that does not fit the images or classes.
            UsageError: fewer examples than the protocol takes, or batches too small for the ranks.
        """
        import lit_models

        for model in self.models:
            settings = self.settings(model)
            settings.check_examples(len(dataset.train_labels), dataset.name)
            held_out = settings.validation_examples
            examples = settings.train_examples or len(dataset.train_labels) - held_out
            batch, ranks = min(settings.batch_size, examples), self.placement.ranks
            if ranks > 1 and batch < 2 * ranks:
                raise UsageError(
                    f"{model} has batches of {batch} examples, too few for {ranks} devices: "
                    "each needs two or more"
                )
            lit_models.check(
                model,
                in_channels=dataset.channels,
                num_classes=len(dataset.classes),
                image_size=settings.image_size,
            )


def check_task(model: str, dataset: str) -> None:
    """Check that a model is for the task of the dataset.

    Raises:
        UsageError: it is for another; the message names models that fit.
    """
    import lit_models

    task = datamodules.TASKS[dataset]
    if (own := lit_models.entry(model).task) != task:
        fitting = ", ".join(lit_models.canonical_names(task))
        raise UsageError(f"{model} is for {own}; {dataset} is for {task}: try {fitting}")


def _check_above_zero(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not value > 0:
            raise UsageError(f"--{name.replace('_', '-')} must be above 0")
