"""Accelerators behind one interface, and a clock that waits for them."""

import time

import torch


def is_accelerator(device: torch.device) -> bool:
    """Whether work is queued on this device, and waited for, by `torch.accelerator`."""
    accelerator = torch.accelerator.current_accelerator()
    return accelerator is not None and accelerator.type == device.type


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all work queued on it."""
    if is_accelerator(device):
        torch.accelerator.synchronize(device)


def now(device: torch.device) -> float:
    """Seconds on a clock that is read once the device has done its work."""
    synchronize(device)
    return time.perf_counter()
