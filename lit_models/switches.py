"""PyTorch's global switches, which a module may set as it is imported or builds a net."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch


def _flag(module: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    return partial(getattr, module, name), partial(setattr, module, name)


# How each switch is read and set
_SWITCHES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "default device": (torch.get_default_device, torch.set_default_device),
    "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
    "threads": (torch.get_num_threads, torch.set_num_threads),
    "anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "deterministic algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "precision of products": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    "use of cuDNN": _flag(torch.backends.cudnn, "enabled"),
    "cuDNN benchmark": _flag(torch.backends.cudnn, "benchmark"),
    "cuDNN determinism": _flag(torch.backends.cudnn, "deterministic"),
    "cuDNN TF32": _flag(torch.backends.cudnn, "allow_tf32"),
    "use of oneDNN": _flag(torch.backends.mkldnn, "enabled"),
}


@contextmanager
def protected(what: str, *, importing: bool = False) -> Iterator[None]:
    """Put back, on exit, the switches and the seed that `what` sets, and say so in a line.

    Random numbers that are drawn inside the context stay drawn, but not those of an import: it may
    come before or after a run is seeded.
    """
    before = {name: get() for name, (get, _) in _SWITCHES.items()}
    seed, state = torch.initial_seed(), torch.get_rng_state()
    try:
        yield
    finally:
        changed = []
        for name, (get, put) in _SWITCHES.items():
            if (now := get()) != before[name]:
                changed.append(f"{name} ({now})")
                put(before[name])
        if (own := torch.initial_seed()) != seed:
            changed.append(f"seed ({own}{'' if importing else ', for its initial weights alone'})")
            torch.manual_seed(seed)  # of all devices
            torch.set_rng_state(state)
        elif importing:
            torch.set_rng_state(state)
        if changed:
            text = ", ".join(changed)
            print(f"benchmarks: {what} sets PyTorch's {text}: put back", file=sys.stderr)
