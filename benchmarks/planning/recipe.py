"""A protocol in words, as under a table and in `describe --protocol`, and as a YAML file."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, fields
from inspect import getdoc
from io import StringIO
from textwrap import fill, indent
from typing import Any

from ruamel.yaml import YAML

from benchmarks.planning.protocol import Protocol

# Records of earlier versions lack newer fields, whose defaults are what these versions did.
_DEFAULTS = {f.name: f.default for f in fields(Protocol) if f.default is not MISSING}

_INIT = {"default": "PyTorch's", "xavier": "Xavier", "lsuv": "LSUV"}


def in_words(protocols: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What protocols say, by subject.

    Values that differ are separated by slashes; a protocol without a value has a dash.

    Args:
        protocols: the fields of each protocol by name, such as the settings of each model.
    """
    found: dict[str, dict[str, None]] = {}  # a dict keeps the order of its keys
    for settings in protocols:
        for subject, words in _facts(_DEFAULTS | dict(settings)).items():
            found.setdefault(subject, {})[words] = None
    return {
        subject: " / ".join(each or "-" for each in words)
        for subject, words in found.items()
        if any(words)
    }


def _facts(settings: Mapping[str, Any]) -> dict[str, str]:
    """The words for each subject; empty where there is nothing to say."""
    get = settings.__getitem__
    is_adamw, is_constant = get("optimizer") == "adamw", get("schedule") == "constant"
    optimizer = (
        f"AdamW, beta2 {get('beta2'):g}" if is_adamw else f"SGD, momentum {get('momentum'):g}"
    )
    rising = f"one cycle, rising for {100 * get('warmup'):g} % of the steps"
    examples, held_out = get("train_examples"), get("validation_examples")
    weights = get("weights")
    drawn = ", drawn by the seed" if get("subset") == "by_seed" else ""
    return {
        "training examples": f"{examples:,}{drawn}" if examples else "all",
        "held out": f"{held_out:,} examples" if held_out else "",
        "image size": f"{get('image_size')} px",
        "images that are not square": "" if get("fit") == "crop" else get("fit"),
        "pixels": "" if get("normalize") else "in [0, 1]",
        "augmentation": ", ".join(get("augmentation")) or "none",
        "epochs": f"{get('epochs')}",
        "batch size": f"{get('batch_size'):,}",
        "optimizer": f"{optimizer}, weight decay {get('weight_decay'):g}",
        "learning rate": f"{get('learning_rate'):g}",
        "schedule": "constant" if is_constant else rising,
        "gradient norm": f"at most {get('clip_norm'):g}" if get("clip_norm") else "",
        "initialisation": f"weights {weights}" if weights else _INIT[get("init")],
        "frozen": "all but the last layer" if get("freeze") == "features" else "",
        "precision": get("precision"),
        "layout": get("memory_format"),
        "compiled": "by torch.compile" if get("compile") else "",
    }


def described(protocol: Protocol) -> str:
    """What a protocol does, a line a subject, and what it sets for each model."""
    settings = [protocol.for_model(model) for model in protocol.models] or [protocol]
    lines = [f"{subject}: {words}" for subject, words in in_words(map(vars, settings)).items()]
    lines += [
        f"{model}: {own.image_size} px, batches of {own.batch_size}, "
        f"learning rate {own.learning_rate:g}"
        for model, own in protocol.models.items()
    ]
    return "\n".join(lines)


def as_yaml(protocol: Protocol) -> str:
    """A protocol as a YAML file to start from: every field, each under its meaning."""
    text = (getdoc(Protocol) or "").partition("Args:\n")[2].partition("\nRaises:")[0]
    meanings = dict(re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", text, re.M | re.S))
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    parts = []
    for name, value in asdict(protocol).items():
        meaning = " ".join(meanings[name].split())
        content = StringIO()
        yaml.dump({name: list(value) if isinstance(value, tuple) else value}, content)
        parts.append(f"{indent(fill(meaning, 98), '# ')}\n{content.getvalue()}")
    return "\n".join(parts)
