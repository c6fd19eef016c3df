"""The protocol: everything about a training that is not the net, the data or the seed."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Literal

from benchmarks.errors import UsageError, unknown

FOLDER = Path(__file__).parent / "protocols"
AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What a textbook protocol sets for one model.

    Args:
        image_size: height and width in pixels to which examples are resized.
        batch_size: examples a step.
        learning_rate: peak learning rate.
    """

    image_size: int
    batch_size: int
    learning_rate: float


_BY_MODEL = {field.name for field in dataclasses.fields(ModelSettings)}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The recipe all models of a comparison share.

    Args:
        image_size: height and width in pixels to which examples are resized.
        epochs: passes over the training examples.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        learning_rate: peak learning rate.
        train_examples: size of the training subset, the same for every model and seed; null: all.
        validation_examples: training examples held out; if not 0, accuracy is measured on these
            and the test set is not touched. For choosing a recipe.
        optimizer: sgd or adamw (decoupled weight decay, Loshchilov & Hutter, 2019).
        momentum: momentum of sgd.
        beta2: decay of the second moment of adamw.
        weight_decay: weight decay of every parameter.
        schedule: constant, or one_cycle (Smith & Topin, 2018): by step, along a cosine, up from a
            25th of the learning rate and down to almost zero.
        warmup: fraction of the steps in which one_cycle rises.
        clip_norm: largest norm of the gradient over all parameters; null: not clipped.
        init: default (PyTorch's), xavier (uniform, Glorot & Bengio, 2010) or lsuv
            (data-dependent, Mishkin & Matas, 2016; see benchmarks/initialisation.py).
        normalize: subtract the dataset's mean and divide by its standard deviation; otherwise
            pixels lie in [0, 1].
        augmentation: flip (horizontal, every second example), crop (shift by up to an eighth of
            the image, padded with zeros) and cutout (a square of half the image's side set to
            zero; DeVries & Taylor, 2017); training examples only.
        precision: 32-true, bf16-mixed (autocast), or auto: bf16-mixed on GPUs that have it.
        memory_format: layout of images and weights.
        compile: torch.compile the net, with CUDA graphs on a GPU.
        models: settings that differ by model; if given, only these models can be trained.

    Raises:
        UsageError: a value that is impossible, named.
    """

    image_size: int
    epochs: int
    batch_size: int
    learning_rate: float
    train_examples: int | None = None
    validation_examples: int = 0
    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.0
    beta2: float = 0.999
    weight_decay: float = 0.0
    schedule: Literal["constant", "one_cycle"] = "constant"
    warmup: float = 0.3
    clip_norm: float | None = None
    init: Literal["default", "xavier", "lsuv"] = "default"
    normalize: bool = True
    augmentation: tuple[Literal["flip", "crop", "cutout"], ...] = ()
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    memory_format: Literal["channels_last", "contiguous_format"] = "channels_last"
    compile: bool = False
    models: dict[str, ModelSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for known in dataclasses.fields(self):
            is_given = getattr(self, known.name) is not None
            self._require(known.name, is_given or known.default is None, "given, and not null")
        for field_name in ("image_size", "epochs", "batch_size", "learning_rate"):
            values = [
                getattr(settings, field_name, 1) for settings in (self, *self.models.values())
            ]
            self._require(field_name, all(0 < v < inf for v in values), "above 0")
        for field_name in ("train_examples", "clip_norm"):
            value = getattr(self, field_name)
            self._require(field_name, value is None or 0 < value < inf, "above 0, or null")
        for field_name in ("validation_examples", "weight_decay"):
            self._require(field_name, 0 <= getattr(self, field_name) < inf, "at least 0")
        for field_name in ("momentum", "beta2"):
            self._require(field_name, 0 <= getattr(self, field_name) < 1, "at least 0 and below 1")
        self._require("warmup", 0 < self.warmup < 1, "above 0 and below 1")

    def _require(self, field_name: str, fulfilled: bool, rule: str) -> None:
        if not fulfilled:
            raise UsageError(f"protocol field {field_name} must be {rule}")

    def for_model(self, model: str) -> "Protocol":
        """The settings one model is trained with.

        Raises:
            UsageError: the protocol lists models, and this is not among them.
        """
        if not self.models:
            return self
        if model not in self.models:
            raise UsageError(
                f"this protocol has no settings for {model!r}; it lists {', '.join(self.models)}"
            )
        return dataclasses.replace(self, models={}, **vars(self.models[model]))

    def check_examples(self, available: int, dataset: str) -> None:
        """Refuse to take more training examples than a dataset has.

        Raises:
            UsageError: more training and validation examples asked for than there are.
        """
        asked = (self.train_examples or 1) + self.validation_examples
        if asked > available:
            raise UsageError(
                f"train_examples and validation_examples ask for {asked:,} examples; "
                f"{dataset} has {available:,}"
            )

    def with_shared(self, fields: Iterable[str]) -> "Protocol":
        """A copy in which these fields are the same for all models, listed ones included."""
        shared = {name: getattr(self, name) for name in fields if name in _BY_MODEL}
        models = {m: dataclasses.replace(own, **shared) for m, own in self.models.items()}
        return dataclasses.replace(self, models=models)


def names() -> list[str]:
    """Names of the protocols that come with the suite."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of a protocol, by its name or by a path.

    Raises:
        UsageError: neither a known name nor a file that can be read.
    """
    if name in names():
        return FOLDER / f"{name}.yaml"
    if Path(name).suffix in (".yaml", ".yml"):
        if Path(name).is_file():
            try:
                Path(name).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"protocol file {name!r} cannot be read: {error}") from None
            return Path(name)
        raise UsageError(f"no protocol file {name!r}; protocols at hand: {', '.join(names())}")
    raise unknown("protocol", name, [AUTO, *names()])
