"""What machine, which versions, which commit: stamped on every record."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.errors import UsageError
from benchmarks.machine import process_settings

PACKAGES = ("benchmarks", "datamodules", "lit_models")


def resolve_device(name: str) -> str:
    """The device type to train on; `auto` is the accelerator where there is one.

    Raises:
        UsageError: no such device on this machine.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    available = ["cpu"] if accelerator is None else ["cpu", accelerator.type]
    if name == "auto":
        return available[-1]
    if name in available:
        return name
    raise UsageError(f"no device {name!r} on this machine; there is {' and '.join(available)}")


def resolve_precision(name: str, device: str) -> str:
    """The precision to train in; `auto` is bf16-mixed where the hardware has bfloat16."""
    if name != "auto":
        return name
    # Other accelerators do not say whether they merely emulate it.
    has_bfloat16 = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if has_bfloat16 else "32-true"


def check_devices(device: str, count: int) -> None:
    """Refuse more devices than this machine has; on the CPU they are but processes.

    Raises:
        UsageError: how many it has.
    """
    available = count if device == "cpu" else torch.accelerator.device_count()
    if count > available:
        raise UsageError(f"{count} devices asked for; this machine has {available} of {device}")


def describe(device: torch.device, count: int = 1) -> dict[str, str | int | bool]:
    """The columns of a record that say where and with what it was made, on how many devices."""
    versions = {f"{name}_version": version(name) for name in ("torch", "lightning", "torchvision")}
    return {
        "device": f"{count} x {_device_name(device)}" if count > 1 else _device_name(device),
        **versions,
        "python_version": platform.python_version(),
        **process_settings.settings(),
        "commit": commit(),
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        name = next((value.strip() for key, _, value in lines if "model name" in key), name)
    if device.type == "mps":
        return f"{name} GPU"
    return f"{name}, {torch.get_num_threads()} threads"


def commit() -> str:
    """The commit of this code, marked where the code differs from it, or `unknown` outside git."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", *(f":/{room}" for room in PACKAGES))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}-dirty" if changed else head


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    folder = Path(__file__).parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
