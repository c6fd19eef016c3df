"""Mistakes in the code of a net, in one line: the layer, the shapes, the line of its file."""

import linecache
import os
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from lit_models.entries import one_line

# What Python and PyTorch raise for wrong code; other errors are unforeseen.
MISTAKES = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, NameError),
    *(RuntimeError, TypeError, ValueError),
)

_WORDS = "explanation"  # the attribute of an error that has lost its frames

_LIBRARY = str(Path(torch.__file__).parent)


def explain(error: BaseException) -> str | None:
    """The error of a forward pass in words; None if it arose elsewhere.

    An error of another process has no frames; its words are those that `keep_explanation` kept.

    For instance "layer fc1, Linear: takes (N, 400), not (2, 9216), at nets/mynet.py, line 31:
    x = self.fc1(x)". Where the shapes do not say what is wrong, PyTorch's words do.
    """
    calls = list(traceback.walk_tb(error.__traceback__))
    passes = [frame for frame, _ in calls if _is_forward(frame)]
    if not passes:
        return getattr(error, _WORDS, None)
    own = [f for f in passes if not type(f.f_locals["self"]).__module__.startswith("torch.")]
    net, layer = (own or passes)[0].f_locals["self"], passes[-1].f_locals["self"]
    name = next((name for name, module in net.named_modules() if module is layer), "")
    where = f"layer {name}, {type(layer).__name__}" if name else f"{type(layer).__name__}.forward"
    return f"{where}: {_shapes(layer, passes[-1]) or one_line(error)}, at {line_of(error)}"


def keep_explanation(error: BaseException) -> None:
    """Keep the words of `explain` in an error that is about to be sent to another process."""
    setattr(error, _WORDS, explain(error))


def import_problem(error: BaseException) -> str:
    """Why a file cannot be imported: the file, the number of the line, and the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}, line {error.lineno}: {error.msg}"
    file, number = _place(error)
    return f"{_short(file)}, line {number}: {type(error).__name__}: {one_line(error)}"


def line_of(error: BaseException) -> str:
    """The last line outside PyTorch that led to the error: file, number and text."""
    file, number = _place(error)
    return f"{_short(file)}, line {number}: {linecache.getline(file, number).strip()}"


def _place(error: BaseException) -> tuple[str, int]:
    calls = [
        (frame.f_code.co_filename, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith((_LIBRARY, "<"))
    ]
    return calls[-1]


def _is_forward(frame: FrameType) -> bool:
    is_method = isinstance(frame.f_locals.get("self"), nn.Module)
    return is_method and frame.f_code.co_name == "forward"


def _shapes(layer: nn.Module, frame: FrameType) -> str | None:
    """The shape that a layer takes, and the one it was given, if it does not take that."""
    arguments = frame.f_code.co_varnames[1 : frame.f_code.co_argcount]
    given = [frame.f_locals[name] for name in arguments if name in frame.f_locals]
    shape = next((tuple(value.shape) for value in given if isinstance(value, Tensor)), None)
    taken = _taken(layer)
    if shape is None or taken is None:
        return None
    fits = len(shape) == len(taken) and all(
        size == wanted for size, wanted in zip(shape, taken, strict=True) if isinstance(wanted, int)
    )
    if fits or (isinstance(layer, nn.Linear) and shape[-1:] == taken[-1:]):
        return None
    return f"takes ({', '.join(map(str, taken))}), not {shape}"


def _taken(layer: Any) -> tuple[int | str, ...] | None:
    """The shape a layer takes; letters stand for any size."""
    match layer:
        case nn.Linear():
            return "N", layer.in_features
        case nn.Conv2d():
            return "N", layer.in_channels, "H", "W"
        case nn.BatchNorm2d():
            return "N", layer.num_features, "H", "W"
    return None


def _short(file: str) -> str:
    """The file relative to the working folder, if it is within."""
    try:
        return str(Path(file).relative_to(os.getcwd()))
    except ValueError:
        return file
