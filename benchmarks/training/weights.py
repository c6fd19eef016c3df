"""The weights of a trained net as a safetensors file that says which net they are of."""

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_model, save_model
from torch import nn

import lit_models
from benchmarks.errors import UsageError
from benchmarks.planning.plan import RunSpec
from benchmarks.records.storage import reason, replacing
from datamodules import ImageDataset

_ABOUT = "trained net"  # name of its description in the header of the file


@dataclass(frozen=True)
class TrainedNet:
    """What a file of weights says of its net: how it is built, and what it was trained on.

    `mean` and `std` are those by which the images were normalised, of pixels in [0, 1]. `digest` is
    that of the weights.
    """

    model: str
    task: str
    in_channels: int
    image_size: int
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    dataset: str
    protocol: str
    seed: int
    key: str
    digest: str
    fit: str = "crop"  # how images became square

    @classmethod
    def of(cls, spec: RunSpec, dataset: ImageDataset, digest: str) -> "TrainedNet":
        """The description of the net that this run has trained."""
        channels, normalize = dataset.channels, spec.protocol.normalize
        return cls(
            model=spec.model,
            task=spec.task,
            in_channels=channels,
            image_size=spec.protocol.image_size,
            classes=dataset.classes,
            mean=dataset.mean if normalize else (0.0,) * channels,
            std=dataset.std if normalize else (1.0,) * channels,
            dataset=spec.dataset,
            protocol=spec.protocol_name,
            seed=spec.seed,
            key=spec.key,
            digest=digest,
            fit=spec.protocol.fit,
        )


def digest(net: nn.Module) -> str:
    """A hash of all parameters and buffers, bit by bit, and of their names."""
    hashed = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        hashed.update(flat.view(torch.uint8).numpy())
    return hashed.hexdigest()[:16]


def save(net: nn.Module, about: TrainedNet, path: Path) -> None:
    """Write the weights; if that fails, the run goes on without them, which is said in one line.

    Leaves the net in contiguous layout, in which tensors are written without a copy.
    """
    net.to(memory_format=torch.contiguous_format)
    try:
        with replacing(path) as part:
            save_model(net, str(part), {_ABOUT: json.dumps(asdict(about))})
            part.chmod(0o644)  # the library lets only the owner read it
    except OSError as error:
        problem = reason(error)
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        problem = " ".join(str(error).split())[:200]
    else:
        return
    print(f"\nbenchmarks: {path} cannot be written: {problem}; the run goes on", file=sys.stderr)


def load(path: Path, expected: str | None = None) -> tuple[nn.Module, TrainedNet]:
    """The net in eval mode, on the CPU, and its description.

    Args:
        path: a file that `save` wrote. Nothing in it is executed.
        expected: the hash of the weights, as a record has it; None: any.

    Raises:
        ModelError: the net cannot be built here.
        UsageError: no such file, another kind of file, a damaged one, or other weights.
    """
    about = describe(path)
    if expected not in (None, about.digest):
        raise UsageError(f"{path} has the weights of another run than its record")
    net = lit_models.build(
        about.model,
        in_channels=about.in_channels,
        num_classes=len(about.classes),
        image_size=about.image_size,
    )
    try:
        load_model(net, path)
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise UsageError(
            f"{path} does not fit {about.model}: {' '.join(str(error).split())[:200]}"
        ) from None
    if digest(net) != about.digest:
        raise UsageError(f"{path} is damaged: the hash of its weights differs")
    return net.eval(), about


def describe(path: Path) -> TrainedNet:
    """The description in a file of weights.

    Raises:
        UsageError: no such file, or another kind of file.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            content: dict[str, Any] = json.loads((file.metadata() or {})[_ABOUT])
        sequences = {name: tuple(content[name]) for name in ("classes", "mean", "std")}
        return TrainedNet(**{**content, **sequences})
    except FileNotFoundError:
        raise UsageError(f"no weights in {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {reason(error)}") from None
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError):
        raise UsageError(f"{path} is not a file of weights that a run of this suite left") from None
