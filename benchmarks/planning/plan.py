"""What shall be run: models x seeds under one protocol, each run with a key of its own."""

import ast
import hashlib
import importlib.util
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import datamodules
import lit_models
from benchmarks.errors import UsageError
from benchmarks.machine.environment import resolve_precision
from benchmarks.planning.protocol import Protocol
from datamodules import ImageDataset

# Code that decides the numbers of every run; a model's own files come on top.
_TRAINING = (
    "benchmarks.machine.accelerator",
    "benchmarks.machine.process_settings",
    "benchmarks.training.callbacks.checkpoints",
    "benchmarks.training.compilation",
    "benchmarks.training.ddp",
    "benchmarks.training.callbacks.divergence",
    "benchmarks.training.initialisation",
    "benchmarks.measurement.loops",
    "benchmarks.training.callbacks.peak_memory",
    "benchmarks.training.optimization",
    "benchmarks.execution.launcher",
    "benchmarks.measurement.loop_timings",
    "benchmarks.training.sync_batch_norm",
    "benchmarks.training.callbacks.clock",
    "benchmarks.run",
    "benchmarks.measurement.calibration",
    "datamodules.datamodule",
    "lit_models.classifier",
    "lit_models.analysis.cost",
    "lit_models.segmenter",
)

# How a run is spread over devices: a process for one, or a process for each of several (PyTorch's
# DistributedDataParallel).
SINGLE_DEVICE, DDP = "single_device", "ddp"


def digest(content: object) -> str:
    """A hash of dictionaries, lists, text and numbers."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def code_digest(modules: Iterable[str], package: str = "lit_models") -> str:
    """A hash of what modules do: comments, docstrings and layout do not count.

    What they import of `lit_models`, but for its register, and of `package` counts too.
    """
    trees: dict[str, ast.Module] = {}
    pending = list(modules)
    while pending:
        module = pending.pop()
        if module in trees or module == "lit_models.registry":
            continue
        spec = importlib.util.find_spec(module)
        trees[module] = ast.parse(Path(spec.origin).read_bytes())
        imported = _imported(trees[module], spec.parent)
        pending += [
            name
            for name in imported
            if name.startswith(("lit_models.", f"{package}.")) and _is_module(name)
        ]
    return digest([ast.dump(_without_docstrings(tree)) for _, tree in sorted(trees.items())])


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Full names of all that a module imports, be it modules or what they hold."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            home = importlib.util.resolve_name(name, package)
            yield home
            yield from (f"{home}.{alias.name}" for alias in node.names)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _without_docstrings(tree: ast.Module) -> ast.Module:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return tree


@dataclass(frozen=True)
class RunSpec:
    """One run. `protocol` holds the settings of this model; `protocol_digest` is of the whole.

    `devices` are those of each of `num_nodes` machines.
    """

    model: str
    dataset: str
    data_digest: str
    protocol_name: str
    protocol_digest: str
    protocol: Protocol
    seed: int
    device: str
    devices: int = 1
    num_nodes: int = 1
    strategy: str = SINGLE_DEVICE

    @cached_property
    def key(self) -> str:
        """A hash of what can change the numbers of this run: same key, same run."""
        net = lit_models.entry(self.model)
        # Of a library its version tells; of anybody's package, its code.
        own_package = "lit_models" if net.version else net.module.partition(".")[0]
        settings = {
            "model": [self.model, net.version],
            "data": self.data_digest,
            "protocol": asdict(self.protocol),
            "seed": self.seed,
            "device": self.device,
            "ranks": [self.strategy, self.devices, self.num_nodes],
            "versions": {name: version(name) for name in ("torch", "torchvision", "lightning")},
            "code": code_digest([net.module, *_TRAINING], own_package),
        }
        return digest(settings)[:16]

    @property
    def ranks(self) -> int:
        """How many processes train the net together."""
        return self.devices * self.num_nodes

    @property
    def task(self) -> str:
        """What the model is for."""
        return lit_models.entry(self.model).task

    @property
    def folder(self) -> Path:
        """Where the results of this comparison lie, in the results folder."""
        return Path(self.dataset) / self.protocol_name

    @property
    def title(self) -> str:
        return f"{self.model} (seed {self.seed})"


def data_digest(dataset: ImageDataset) -> str:
    """A hash of the images, their labels and how they are normalised."""
    return digest([dataset.digest, dataset.mean, dataset.std])


def check_task(models: Iterable[str], dataset: str) -> None:
    """Refuse models that are for another task than the dataset.

    Raises:
        UsageError: the first of them, and which models would do.
    """
    task = datamodules.TASKS[dataset]
    for model in models:
        if (own := lit_models.entry(model).task) != task:
            fitting = ", ".join(lit_models.canonical_names(task))
            raise UsageError(f"{model} is for {own}; {dataset} is for {task}: try {fitting}")


def settings_by_model(models: Iterable[str], protocol: Protocol) -> dict[str, Protocol]:
    """What each model is trained with.

    Raises:
        ModelError: a model that cannot work at its image size.
        UsageError: a model the protocol has no settings for.
    """
    own = {model: protocol.for_model(model) for model in models}
    for model, settings in own.items():
        lit_models.check_image_size(model, settings.image_size)
    return own


def plan(
    settings: dict[str, Protocol],
    dataset: ImageDataset,
    protocol: Protocol,
    protocol_name: str,
    seeds: Iterable[int],
    device: str,
    devices: int = 1,
    num_nodes: int = 1,
    strategy: str = "auto",
) -> list[RunSpec]:
    """Every model with every seed, seed by seed, the models in an order drawn by the seed.

    So no model is always the first, on a cold machine. `settings` as of `settings_by_model`.

    The strategy `auto` is `ddp` for more than one device.

    Raises:
        ModelError: a net of another library that does not fit the images or classes.
        UsageError: batches too small to be shared by so many devices, or devices that cannot.
    """
    if strategy == "auto":
        strategy = DDP if devices * num_nodes > 1 else SINGLE_DEVICE
    if strategy == DDP and device == "mps":
        raise UsageError("strategy ddp works on cpu and cuda, not on mps")
    if strategy == DDP and any(of_model.compile for of_model in settings.values()):
        # DDP and SyncBatchNorm change a net after it was compiled.
        raise UsageError("strategy ddp, and so several devices, cannot train a compiled net")
    for model, of_model in settings.items():
        examples = of_model.train_examples or (
            len(dataset.train_labels) - of_model.validation_examples
        )
        batch, ranks = min(of_model.batch_size, examples), devices * num_nodes
        if 1 < ranks > batch // 2:
            raise UsageError(
                f"{model} has batches of {batch} examples, too few for {ranks} devices: "
                "each needs two or more"
            )
        lit_models.check(
            model,
            in_channels=dataset.channels,
            num_classes=len(dataset.classes),
            image_size=of_model.image_size,
        )
    own = {
        model: replace(of_model, precision=resolve_precision(of_model.precision, device))
        for model, of_model in settings.items()
    }
    return [
        RunSpec(
            model=model,
            dataset=dataset.name,
            data_digest=data_digest(dataset),
            protocol_name=protocol_name,
            protocol_digest=digest(asdict(protocol)),
            protocol=own[model],
            seed=seed,
            device=device,
            devices=devices,
            num_nodes=num_nodes,
            strategy=strategy,
        )
        for seed in seeds
        for model in random.Random(seed).sample(list(own), len(own))
    ]
