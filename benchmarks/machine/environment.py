"""The machine, the versions and the commit that a record names."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.errors import UsageError
from benchmarks.machine import process_settings

PACKAGES = ("benchmarks", "datamodules", "lit_models")


def resolve_device(name: str) -> str:
    """The type of device to train on; `auto` is the accelerator if there is one.

    Raises:
        UsageError: this machine has no such device.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    available = ["cpu"] if accelerator is None else ["cpu", accelerator.type]
    if name == "auto":
        return available[-1]
    if name in available:
        return name
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    limit = "" if visible is None else f" with CUDA_VISIBLE_DEVICES={visible}"
    found = " and ".join(available)
    raise UsageError(f"no device {name!r} on this machine{limit}; there is {found}")


def resolve_precision(name: str, device: str) -> str:
    """The precision to train in; `auto` is bf16-mixed where the hardware computes bfloat16."""
    if name != "auto":
        return name
    return "bf16-mixed" if _computes_bfloat16(device) else "32-true"


def precision_note(device: str) -> str:
    """What `auto` is here, in a line."""
    precision = resolve_precision("auto", device)
    reason = f", since the device ({device}) computes bfloat16" if precision == "bf16-mixed" else ""
    return f"precision auto: {precision}{reason}"


def _computes_bfloat16(device: str) -> bool:
    """Whether the hardware has instructions for products in bfloat16, and PyTorch uses them."""
    match device:
        case "cuda":
            return torch.cuda.is_bf16_supported(including_emulation=False)
        case "cpu":
            # CPUs with AMX have AVX512-BF16 too. Without either, oneDNN converts back and forth.
            return torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()
    return False  # other accelerators do not tell whether they only emulate bfloat16


def equal_gpus() -> list[int]:
    """The GPUs of the same name as the first; speeds on others would not compare."""
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return [index for index, name in enumerate(names) if name == names[0]]


def check_devices(device: str, count: int) -> None:
    """Check that this machine has so many devices; on the CPU, a device is a process.

    Raises:
        UsageError: it has fewer.
    """
    available = count if device == "cpu" else torch.accelerator.device_count()
    if count > available:
        raise UsageError(f"{count} devices asked for; this machine has {available} of {device}")


def describe(device: torch.device, count: int = 1) -> dict[str, Any]:
    """Device, settings, versions and commit, named as columns of the results.

    Args:
        device: one device of the run.
        count: number of devices of the run.
    """
    versions = {f"{name}_version": version(name) for name in ("torch", "lightning", "torchvision")}
    return {
        "device": f"{count} x {device_name(device)}" if count > 1 else device_name(device),
        **versions,
        "python_version": platform.python_version(),
        **process_settings.settings(),
        "commit": commit(),
    }


def device_name(device: torch.device) -> str:
    """The name of the device; that of a CPU includes the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"{_cpu_name()} GPU"
    return f"{_cpu_name()}, {torch.get_num_threads()} threads"


def hardware(device: torch.device) -> str:
    """The CPU, and the accelerator if the device is one."""
    return _cpu_name() if device.type == "cpu" else f"{device_name(device)} on {_cpu_name()}"


@cache
def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """The commit of this code, marked where the code differs from it, or `unknown` outside git."""
    try:
        folder, _, head = _git("rev-parse", "--show-prefix", "--short=12", "HEAD").partition("\n")
        code = (f":/{name}" for name in PACKAGES)
        changed = _git("status", "--porcelain", "--untracked-files=normal", "--", *code)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    if folder != "benchmarks/machine/":
        return "unknown"  # a repository that this code was merely copied into
    return f"{head}-dirty" if changed else head


def _git(*arguments: str) -> str:
    """The output of git, whoever owns this folder, and whatever repository a hook is of."""
    command = ["git", "-c", "safe.directory=*", *arguments]
    variables = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        command, cwd=Path(__file__).parent, env=variables, capture_output=True, check=True
    )
    return done.stdout.decode(errors="replace").strip()
