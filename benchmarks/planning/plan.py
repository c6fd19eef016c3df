"""A plan: models x seeds under one protocol, each run with a key of its own."""

import random
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import lit_models
from benchmarks.errors import UsageError
from benchmarks.machine import environment, shell
from benchmarks.machine.timing_lock import THIS_PROCESS
from benchmarks.planning.fingerprint import digest, imported_digest, package_digest
from benchmarks.planning.placement import Placement
from benchmarks.planning.protocol import Protocol
from benchmarks.planning.sweep_config import SweepConfig
from benchmarks.planning.variation import in_words
from datamodules import DatasetRequest, ImageDataset
from datamodules.sources.network import giving_up
from lit_models import pretrained
from lit_models.external import is_external

# Code that can change the numbers of a training; the net's own code comes on top.
TRAINING_CODE = ("benchmarks.training", "benchmarks.run", "benchmarks.machine", "datamodules")
TIMING_CODE = "benchmarks.measurement"

LIBRARIES = ("torch", "torchvision", "lightning", "torchmetrics", "numpy")


@dataclass(frozen=True)
class RunOptions:
    """How the runs of a sweep are carried out; no accuracy depends on it."""

    data_dir: Path  # of datasets
    jobs: int = 1  # runs at a time on a machine; 0: the executor decides
    threads: int = 0  # of each run; 0: the executor decides
    gpus: str = ""  # CUDA_VISIBLE_DEVICES of the run; empty: that of its parent
    timeout: float | None = None  # seconds until a run is killed; None: no limit
    checkpoint_seconds: float = SweepConfig.checkpoint_seconds
    keep_weights: bool = SweepConfig.keep_weights
    timing: bool = True  # whether the loops are timed
    lock_group: str = THIS_PROCESS  # runs that share a machine's lock, see `machine.timing_lock`


@dataclass(frozen=True)
class RunSpec:
    """One run."""

    model: str
    dataset: str
    data_digest: str  # of the images, the labels and their normalisation
    protocol_name: str  # names the folder of results
    protocol_digest: str  # of the protocol of all models
    protocol: Protocol  # of this model
    seed: int  # of every random number
    placement: Placement  # resolved
    varied: str | None = None  # the field of the protocol that this comparison varies
    data: DatasetRequest | None = None  # to load it again; None: by the name of the dataset
    weights_digest: str | None = None  # of the weights from which it starts; None: from scratch

    @cached_property
    def key(self) -> str:
        """A hash of all that can change the accuracy of this run: equal keys, equal trainings."""
        return digest(self.training_inputs)[:16]

    @cached_property
    def training_inputs(self) -> dict[str, Any]:
        """All that can change the accuracy, predictions and weights of this run, by name."""
        net = lit_models.entry(self.model)
        # The version identifies a library's code; anybody else's package is hashed as a whole.
        own_package = "lit_models" if net.version else net.module.partition(".")[0]
        modules = [net.module, *(["lit_models.external"] if is_external(self.model) else [])]
        lightning_modules = ("lit_models.classifier", "lit_models.segmenter")
        placement = self.placement
        return {
            "model": f"{self.model} {net.version}".strip(),
            "code of the net": imported_digest(modules, own_package),
            **{f"code of {name}": package_digest(name) for name in TRAINING_CODE},
            "code of lit_models": imported_digest(lightning_modules),
            "data": self.data_digest,
            "protocol": _as_json(self.protocol) | {"weights": self.weights_digest},
            "seed": self.seed,
            "device": placement.device,
            "ranks": f"{placement.strategy} {placement.num_nodes} x {placement.devices}",
            "versions": _versions(),
        }

    def timing_inputs(self, options: RunOptions | None) -> dict[str, Any]:
        """What can change the speeds of this run alone, by name.

        Args:
            options: of the machine that runs it; None: unknown, and only the code counts.
        """
        code = {f"code of {TIMING_CODE}": package_digest(TIMING_CODE)}
        if options is None:
            return code
        return code | {
            "machine": environment.hardware(torch.device(self.device)),
            "threads": options.threads,
            "jobs": options.jobs,
            "variables": shell.tuning(),
        }

    @property
    def device(self) -> str:
        """The type of device."""
        return self.placement.device

    @property
    def task(self) -> str:
        """What the model is for."""
        return lit_models.entry(self.model).task

    @property
    def folder(self) -> Path:
        """The folder of this comparison, relative to the results folder."""
        return Path(self.dataset) / self.protocol_name

    @property
    def varied_value(self) -> int | float | str | None:
        """This run's value of the varied field, as tables have it."""
        return in_words(getattr(self.protocol, self.varied)) if self.varied else None

    @property
    def title(self) -> str:
        value = f", {self.varied}={self.varied_value}" if self.varied else ""
        return f"{self.model}{value} (seed {self.seed})"


@cache  # finding them takes milliseconds, and a plan may have a thousand runs
def _versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def data_digest(dataset: ImageDataset) -> str:
    """A hash of the images, their labels and their normalisation."""
    return digest([dataset.digest, dataset.mean, dataset.std])


def plan(config: SweepConfig, dataset: ImageDataset) -> list[RunSpec]:
    """Every model of a resolved sweep with every seed and varied value, seed by seed.

    The seed draws the order of the others, so that no model is always the first, on a cold machine.
    Models of wildcards that the protocol's weights do not fit are left out, with a line each.

    Raises:
        ModelError: the protocol's weights cannot be had, or are of another net than one named.
        UsageError: two values of the varied field are the same on this device.
    """
    weights: dict[tuple[str, str | None], str | None] = {}

    def find_weights(model: str) -> None:
        for own in config.settings(model):
            found = _weights_digest(model, own, dataset, config.data_dir)
            weights[model, own.weights] = found

    config = config.fitting(find_weights)
    settings: list[tuple[str, Protocol]] = []
    for model in config.models:
        for own in config.settings(model):
            precision: Any = environment.resolve_precision(own.precision, config.placement.device)
            if (run := (model, replace(own, precision=precision))) in settings:
                raise UsageError(f"--vary precision has {precision} twice, since auto is that here")
            settings.append(run)
    recipes = [_as_json(recipe) for recipe in config.recipes]
    shared: dict[str, Any] = {
        "dataset": dataset.name,
        "data": replace(config.data, key=dataset.files.key) if dataset.files else config.data,
        "data_digest": data_digest(dataset),
        "protocol_name": config.title,
        "protocol_digest": digest(recipes if config.vary else recipes[0]),
        "placement": config.placement,
        "varied": config.vary.field if config.vary else None,
    }
    return [
        RunSpec(
            model=model,
            protocol=own,
            seed=seed,
            weights_digest=weights[model, own.weights],
            **shared,
        )
        for seed in config.seeds
        for model, own in random.Random(seed).sample(settings, len(settings))
    ]


def _weights_digest(
    model: str, protocol: Protocol, dataset: ImageDataset, data_dir: Path
) -> str | None:
    """The digest of the weights that a protocol names, once they are known to fit the net.

    Raises:
        ModelError: no such weights, or weights of another net.
    """
    if protocol.weights is None:
        return None
    with giving_up():
        found = pretrained.find(protocol.weights, model, data_dir)
    classes = len(dataset.classes)
    net = lit_models.build(
        model,
        in_channels=dataset.channels,
        num_classes=classes,
        image_size=protocol.image_size,
    )
    pretrained.transfer(net, found, classes)
    return found.digest


def _as_json(protocol: Protocol) -> dict[str, Any]:
    """A protocol as a record keeps it."""
    return asdict(protocol) | {"augmentation": list(protocol.augmentation)}
