"""A protocol in words, as it stands under a table and in `describe --protocol`."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from benchmarks.planning.protocol import Protocol

# Records of earlier versions lack newer fields, whose defaults are what these versions did.
_DEFAULTS = {f.name: f.default for f in fields(Protocol) if f.default is not MISSING}

_INIT = {"default": "PyTorch's", "xavier": "Xavier", "lsuv": "LSUV"}


def in_words(protocols: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What protocols say, by subject; values that differ are separated by slashes.

    Args:
        protocols: the fields of each protocol by name, such as the settings of each model.
    """
    found: dict[str, dict[str, None]] = {}  # a dict keeps the order of its keys
    for settings in protocols:
        for subject, words in _facts(_DEFAULTS | dict(settings)).items():
            found.setdefault(subject, {})[words] = None
    return {subject: " / ".join(words) for subject, words in found.items() if any(words)}


def _facts(settings: Mapping[str, Any]) -> dict[str, str]:
    """The words for each subject; empty where there is nothing to say."""
    get = settings.__getitem__
    is_adamw, is_constant = get("optimizer") == "adamw", get("schedule") == "constant"
    optimizer = (
        f"AdamW, beta2 {get('beta2'):g}" if is_adamw else f"SGD, momentum {get('momentum'):g}"
    )
    schedule = "constant" if is_constant else f"one cycle, rising for {100 * get('warmup'):g} %"
    examples, held_out = get("train_examples"), get("validation_examples")
    return {
        "training examples": f"{examples:,}" if examples else "all",
        "held out": f"{held_out:,} examples" if held_out else "",
        "image size": f"{get('image_size')} px",
        "pixels": "" if get("normalize") else "in [0, 1]",
        "augmentation": ", ".join(get("augmentation")) or "none",
        "epochs": f"{get('epochs')}",
        "batch size": f"{get('batch_size'):,}",
        "optimizer": f"{optimizer}, weight decay {get('weight_decay'):g}",
        "learning rate": f"{get('learning_rate'):g}, {schedule}",
        "gradient norm": f"at most {get('clip_norm'):g}" if get("clip_norm") else "",
        "initialisation": _INIT.get(get("init"), get("init")),
        "precision": get("precision"),
        "layout": get("memory_format"),
        "compiled": "by torch.compile" if get("compile") else "",
    }
