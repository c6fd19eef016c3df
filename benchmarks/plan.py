"""What shall be run: models x seeds under one protocol, each run with a key of its own."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import lit_models
from benchmarks.protocol import Protocol
from datamodules import ImageDataset


def digest(content: object) -> str:
    """A hash of dictionaries, lists, text and numbers."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class RunSpec:
    """One run. `protocol` holds the settings of this model; `protocol_digest` is of the whole."""

    model: str
    dataset: str
    data_digest: str
    protocol_name: str
    protocol_digest: str
    protocol: Protocol
    seed: int
    device: str

    @property
    def key(self) -> str:
        """A hash of what can change the numbers of this run: same key, same run."""
        settings = {
            "model": self.model,
            "data": self.data_digest,
            "protocol": asdict(self.protocol),
            "seed": self.seed,
            "device": self.device,
            "torch": version("torch"),
        }
        return digest(settings)[:16]

    @property
    def folder(self) -> Path:
        """Where the results of this comparison lie, in the results folder."""
        return Path(self.dataset) / self.protocol_name

    @property
    def title(self) -> str:
        return f"{self.model} (seed {self.seed})"


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
    models: Iterable[str],
    dataset: ImageDataset,
    protocol: Protocol,
    protocol_name: str,
    seeds: Iterable[int],
    device: str,
) -> list[RunSpec]:
    """Every model with every seed, seed by seed. Raises what `settings_by_model` raises."""
    own = settings_by_model(models, protocol)
    return [
        RunSpec(
            model=model,
            dataset=dataset.name,
            data_digest=dataset.digest,
            protocol_name=protocol_name,
            protocol_digest=digest(asdict(protocol)),
            protocol=settings,
            seed=seed,
            device=device,
        )
        for seed in seeds
        for model, settings in own.items()
    ]
