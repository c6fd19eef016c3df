"""The protocol: everything about a training except the net, the data and the seed."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256
from os.path import expanduser
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML, YAMLError

from benchmarks.errors import UsageError, unknown

FOLDER = Path(__file__).parent / "protocols"
AUTO = "auto"


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


_NUMBER = (BeforeValidator(_refuse_bool), Field(allow_inf_nan=False))
Count = Annotated[int, BeforeValidator(_refuse_bool), Field(gt=0)]
Positive = Annotated[float, *_NUMBER, Field(gt=0)]
AtLeastZero = Annotated[float, *_NUMBER, Field(ge=0)]
BelowOne = Annotated[float, *_NUMBER, Field(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class ModelSettings:
    """What a textbook protocol sets for one model; the fields are those of `Protocol`."""

    image_size: Count
    batch_size: Count
    learning_rate: Positive


_BY_MODEL = tuple(known.name for known in dataclasses.fields(ModelSettings))


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class Protocol:
    """The recipe that all models of a comparison share.

    Args:
        image_size: height and width in pixels to which examples are resized.
        epochs: passes over the training examples.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        learning_rate: peak learning rate.
        train_examples: size of the training subset, the same for every model; null: all.
        subset: fixed (the same training subset for every seed) or by_seed (the seed draws it, so
            that conclusions do not hold for one subset alone).
        evaluate_every: epochs, or a fraction of one, between two measurements of accuracy on the
            way, on the test set or the held-out examples; outside the timed training, and nothing
            is chosen by it. null: none.
        validation_examples: training examples held out, for choosing a recipe. If not 0, accuracy
            is measured on these, and the test set is not touched.
        optimizer: sgd or adamw (decoupled weight decay, Loshchilov & Hutter, 2019).
        momentum: momentum of sgd.
        beta2: decay of the second moment of adamw.
        weight_decay: weight decay of every parameter.
        schedule: constant, or one_cycle (Smith & Topin, 2018): by step, along a cosine, from a
            25th of the learning rate up to it, then down to almost zero.
        warmup: fraction of the steps in which one_cycle rises.
        clip_norm: largest norm of the gradient over all parameters; null: no clipping.
        init: default (PyTorch's), xavier (uniform, Glorot & Bengio, 2010) or lsuv
            (data-dependent, Mishkin & Matas, 2016; see benchmarks/training/initialisation.py).
        weights: where the net's weights come from instead of `init`: pretrained (by torchvision or
            timm, or torchvision's for a net that equals one of it), or the path or URL of a
            .safetensors or .pt file, such as a run leaves. null: from scratch.
        freeze: features: only the last layer is trained; none: all layers.
        normalize: subtract the dataset's mean and divide by its standard deviation; false: pixels
            lie in [0, 1].
        augmentation: flip (horizontal, every second example), crop (shift by up to an eighth of
            the image, padded with zeros) and cutout (a square of half the image's side set to
            zero; DeVries & Taylor, 2017); training examples only.
        precision: 32-true, bf16-mixed (autocast), or auto: bf16-mixed where the hardware computes
            bfloat16, as GPUs and CPUs with AVX512-BF16 do. On CPUs, bf16-mixed leaves convolutions
            in narrow groups, such as depthwise ones, in fp32.
        memory_format: layout of images and weights.
        compile: torch.compile the net, with CUDA graphs on a GPU.
        fit: how images of one's own become square: crop (the shorter side is scaled and the middle
            cut out), pad (the longer side is scaled and black added) or stretch.
        models: settings that differ by model; if given, only these models can be trained.

    Raises:
        pydantic.ValidationError: a value that a field cannot take, or a field that is missing or
            unknown.
    """

    image_size: Count
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    train_examples: Count | None = None
    subset: Literal["fixed", "by_seed"] = "fixed"
    evaluate_every: Positive | None = None
    validation_examples: Annotated[int, BeforeValidator(_refuse_bool), Field(ge=0)] = 0
    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: BelowOne = 0.0
    beta2: BelowOne = 0.999
    weight_decay: AtLeastZero = 0.0
    schedule: Literal["constant", "one_cycle"] = "constant"
    warmup: Annotated[float, *_NUMBER, Field(gt=0, lt=1)] = 0.3
    clip_norm: Positive | None = None
    init: Literal["default", "xavier", "lsuv"] = "default"
    weights: Annotated[str, Field(min_length=1)] | None = None
    freeze: Literal["none", "features"] = "none"
    normalize: bool = True
    augmentation: tuple[Literal["flip", "crop", "cutout"], ...] = ()
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    memory_format: Literal["channels_last", "contiguous_format"] = "channels_last"
    compile: bool = False
    fit: Literal["crop", "pad", "stretch"] = "crop"
    models: dict[str, ModelSettings] = field(default_factory=dict)

    @classmethod
    def load(cls, name: str, overrides: Mapping[str, str] | None = None) -> "Protocol":
        """Read a protocol, and override single fields of it.

        The entry `extends` of a file names the protocol whose fields hold where the file sets none.

        Args:
            name: of a protocol of the suite, or the path of a YAML file.
            overrides: YAML text by field; holds for every model, listed ones included.

        Raises:
            UsageError: no such protocol, or a file or value that is not valid.
        """
        overrides = overrides or {}
        given = {known: _parse(text, f"--protocol.{known}") for known, text in overrides.items()}
        values = _extended(_fields_of(name), given)
        try:
            return cls(**values)
        except ValidationError as error:
            raise UsageError(f"protocol {name}: {_in_one_line(error)}") from None

    def varied(self, field: str, text: str) -> "Protocol":
        """The protocol with one field set, for every model; `text` is YAML.

        Raises:
            UsageError: a value that the field cannot take.
        """
        value = _parse(text, f"--vary {field}")
        shared = {field: value} if field in _BY_MODEL else {}
        try:
            models = {m: dataclasses.replace(own, **shared) for m, own in self.models.items()}
            return dataclasses.replace(self, **{"models": models, field: value})
        except ValidationError as error:
            raise UsageError(f"--vary {_in_one_line(error)}") from None

    def title(self, name: str, overrides: Mapping[str, str]) -> str:
        """The protocol's name with its overridden fields, as it names a folder of results.

        Of a path of weights it has the last part alone.
        """
        values = {known: getattr(self, known) for known in overrides}
        if values.get("weights"):
            values["weights"] = Path(values["weights"]).name
        fields = [f"+{known}={value}" for known, value in values.items()]
        title = re.sub(r"[^\w.=+-]+", "-", Path(name).stem + "".join(fields))
        # A file system limits the length of a name, and no two protocols may share a folder.
        return (
            title
            if len(title) <= 120
            else f"{title[:110]}-{sha256(title.encode()).hexdigest()[:8]}"
        )

    def for_model(self, model: str) -> "Protocol":
        """The settings one model is trained with; one with options has its own, or its net's.

        Raises:
            UsageError: the protocol lists models, but not this one.
        """
        if not self.models:
            return self
        own = self.models.get(model) or self.models.get(model.partition("[")[0])
        if own is None:
            raise UsageError(
                f"this protocol has no settings for {model!r}; it lists {', '.join(self.models)}"
            )
        return dataclasses.replace(self, models={}, **vars(own))

    def check_examples(self, available: int, dataset: str) -> None:
        """Check that a dataset has as many training examples as the protocol takes.

        Raises:
            UsageError: it has fewer.
        """
        asked = (self.train_examples or 1) + self.validation_examples
        if asked > available:
            raise UsageError(
                f"train_examples and validation_examples ask for {asked:,} examples; "
                f"{dataset} has {available:,}"
            )


FIELDS = tuple(known.name for known in dataclasses.fields(Protocol))


def names() -> list[str]:
    """Names of the protocols that come with the suite."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _fields_of(name: str, folder: Path = Path(), heirs: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The fields of a protocol, those of the protocols it extends included; not yet checked.

    Args:
        name: of a protocol of the suite, or a path relative to `folder`.
        heirs: files that extend this one.
    """
    path, content = _read(name, folder)
    if path.resolve() in heirs:
        raise UsageError("a protocol cannot extend itself")
    values = _parse(content, str(path))
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UsageError(f"{path} must map the fields of a protocol to values")
    if (parent := values.pop("extends", None)) is None:
        return values
    if unknown_fields := values.keys() - set(FIELDS):
        raise UsageError(f"{path}: {unknown('field', min(unknown_fields), FIELDS)}")
    try:
        inherited = _fields_of(str(parent), path.parent, (*heirs, path.resolve()))
    except UsageError as error:
        raise UsageError(f"{path} extends {parent}: {error}") from None
    return _extended(inherited, values)


def _extended(inherited: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Fields of a protocol with some set anew, also in what was listed by model."""
    shared = {known: value for known, value in own.items() if known in _BY_MODEL}
    models = inherited.get("models")
    if shared and isinstance(models, dict):
        listed = {m: {**of, **shared} if isinstance(of, dict) else of for m, of in models.items()}
        inherited = inherited | {"models": listed}
    return inherited | own


def _read(name: str, folder: Path) -> tuple[Path, str]:
    path = FOLDER / f"{name}.yaml" if name in names() else folder / expanduser(name)
    if path.suffix not in (".yaml", ".yml"):
        raise unknown("protocol", name, [AUTO, *names()])
    if not path.is_file():
        raise UsageError(f"no protocol file {name!r}; the suite has {', '.join(names())}")
    try:
        return path, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"protocol file {name!r} cannot be read: {error}") from None


def _parse(text: str, source: str) -> Any:
    """The value of YAML 1.2, in which `1e-3` is a number; a key given twice is refused."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or error
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{source}{line}: {' '.join(str(problem).split())}") from None


def _in_one_line(error: ValidationError) -> str:
    problems = []
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"]))
        match problem["type"]:
            case "unexpected_keyword_argument":
                known = _BY_MODEL if len(problem["loc"]) > 1 else FIELDS
                problems.append(str(unknown("field", name, known)))
            case "missing" | "missing_keyword_only_argument":
                problems.append(f"field {name} is missing")
            case _:
                problems.append(f"{name}: {problem['msg']}, not {problem['input']!r}")
    return "; ".join(problems)
