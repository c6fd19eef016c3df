"""Weights from elsewhere as the start of a training: of a library, of a file, or of a run."""

import hashlib
import pickle
import zipfile
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models

from lit_models.entries import ModelError
from lit_models.external import GreyToColor
from lit_models.registry import registered
from lit_models.variants import base

PRETRAINED = "pretrained"  # in place of a path: the library's own weights

# Nets that equal torchvision's, layer by layer; the tests compare their logits.
_SAME_NAME = (
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *("resnext50_32x4d", "wide_resnet50_2", "densenet121"),
    *(f"efficientnet_b{scale}" for scale in range(8)),
)
EQUALS_TORCHVISIONS = {"alexnet_owt": "alexnet"} | {name: name for name in _SAME_NAME}
_SUFFIXES = (".safetensors", ".pt", ".pth")


@dataclass(frozen=True)
class Weights:
    """Tensors by name; `source` says where they were found, `digest` is a hash of them.

    `is_in_order`: they are those of torchvision's net that equals ours, layer by layer.
    """

    tensors: dict[str, Tensor]
    source: str
    digest: str
    is_in_order: bool


@dataclass(frozen=True)
class Transfer:
    """What became of the tensors of a net; names of those adapted to its images, or left new."""

    loaded: int
    adapted: tuple[str, ...]
    new: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{self.loaded} tensors"]
        for words, names in (("adapted", self.adapted), ("new", self.new)):
            if names:
                parts.append(f"{words} {' '.join(names)}")
        return ", ".join(parts)


def find(source: str, model: str, cache: Path) -> Weights:
    """The weights that a protocol names.

    Args:
        source: `pretrained`, the path of a .safetensors or .pt file, or the URL of one.
        model: the net that will take them.
        cache: the folder of files from a URL.

    Raises:
        ModelError: no such weights, no network, or a file that holds none.
    """
    if source == PRETRAINED:
        return _of_library(model)
    path = _fetched(source, cache) if "://" in source else Path(source).expanduser()
    return _weights(_read(path, source), source, is_in_order=_torchvision_name(model) is not None)


def transfer(net: nn.Module, weights: Weights, num_classes: int) -> Transfer:
    """Copy weights into a net.

    Tensors are matched by name; those of torchvision's net that equals ours by order, as their
    names differ. A last layer for other classes stays new. A first convolution for other channels
    is adapted, as timm does it: for one channel it is the sum over the channels, otherwise the
    channels repeat, rescaled.

    Raises:
        ModelError: the weights are of another net; the message names the first that does not fit.
    """
    own = net.state_dict()
    names = {name: name.removeprefix(_prefix(net)) for name in own}
    if weights.is_in_order and not own.keys() & weights.tensors.keys():
        names = dict(zip(own, weights.tensors, strict=False))
    adapted, new, misfits = [], [], []
    is_first = True
    for name, mine in own.items():
        theirs = weights.tensors.get(names.get(name, ""))
        if theirs is None:
            misfits.append(name)
        elif mine.shape == theirs.shape:
            mine.copy_(theirs)
        elif is_first and mine.dim() == theirs.dim() == 4 and _is_alike(mine, theirs, but=1):
            mine.copy_(_for_channels(theirs, mine.shape[1]))
            adapted.append(name)
        elif mine.shape[:1] == (num_classes,) and _is_alike(mine, theirs, but=0):
            new.append(name)
        else:
            misfits.append(f"{name}: {_shape(theirs)} instead of {_shape(mine)}")
        is_first = is_first and mine.dim() < 4
    if misfits:
        raise ModelError(
            f"{weights.source} holds weights of another net: {len(misfits)} of {len(own)} tensors "
            f"do not fit, the first {misfits[0]}"
        )
    return Transfer(len(own) - len(new), tuple(adapted), tuple(new))


def _prefix(net: nn.Module) -> str:
    """What stands before the names of a net's tensors, but not of its library's."""
    return "net." if isinstance(net, GreyToColor) else ""


def _is_alike(mine: Tensor, theirs: Tensor, but: int) -> bool:
    """Whether two shapes differ in one dimension alone."""
    shapes = [[*tensor.shape] for tensor in (mine, theirs)]
    for shape in shapes:
        shape[but : but + 1] = [-1]
    return shapes[0] == shapes[1]


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _for_channels(kernel: Tensor, channels: int) -> Tensor:
    """A kernel (out, in, H, W) for images of another number of channels."""
    if channels == 1:
        return kernel.sum(1, keepdim=True)
    had = kernel.shape[1]
    repeated = kernel.repeat(1, ceil(channels / had), 1, 1)[:, :channels]
    return repeated * (had / channels)


def _of_library(model: str) -> Weights:
    library, _, name = base(model).partition("/")
    known = name if library == "torchvision" else _torchvision_name(model)
    try:
        if library == "timm":
            import timm

            net = timm.create_model(name, pretrained=True)
            return _weights(net.state_dict(), f"timm's weights of {name}", is_in_order=False)
        if known is not None:
            chosen = models.get_model_weights(known).DEFAULT
            tensors = chosen.get_state_dict(progress=False, check_hash=True)
            return _weights(tensors, f"torchvision's {chosen}", is_in_order=True)
    except (URLError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"pretrained weights of {model} cannot be had: {reason}") from None
    raise ModelError(
        f"no library has pretrained weights of {model}; give the path of a file, or choose a net "
        "of torchvision or timm"
    )


def _torchvision_name(model: str) -> str | None:
    """The name of torchvision's net that equals a net of ours."""
    name = base(model)
    return EQUALS_TORCHVISIONS.get(name) if name in registered() else None


def _fetched(url: str, cache: Path) -> Path:
    path = cache / "weights" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}{Path(url).suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=False)
        except (URLError, OSError, ValueError) as error:
            raise ModelError(f"{url} cannot be fetched: {error}") from None
    return path


def _read(path: Path, source: str) -> dict[str, Tensor]:
    """The tensors in a file: of a run of this suite, or any state dict; nothing is executed."""
    if path.suffix not in _SUFFIXES:
        raise ModelError(f"{source} is not a file of weights, which ends in {', '.join(_SUFFIXES)}")
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{source} cannot be read: {error.strerror or error}") from None
    except (SafetensorError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError):
        raise ModelError(f"{source} is damaged, or not a file of weights") from None
    for name in ("state_dict", "model"):
        content = content.get(name, content) if isinstance(content, dict) else content
    is_tensor = (
        [isinstance(v, Tensor) for v in content.values()] if isinstance(content, dict) else []
    )
    if not is_tensor or not all(is_tensor):
        raise ModelError(f"{source} does not hold a state dict")
    return content


def _weights(tensors: dict[str, Tensor], source: str, *, is_in_order: bool) -> Weights:
    hashed = hashlib.sha256()
    for name, tensor in tensors.items():
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy())
    return Weights(tensors, source, hashed.hexdigest()[:16], is_in_order)
