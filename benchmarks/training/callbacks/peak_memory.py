"""Peak memory of a training."""

from pathlib import Path
from typing import Any

import lightning as L
import psutil
import torch

from benchmarks.machine.accelerator import is_accelerator
from benchmarks.training import ddp

_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory_in_use(device: torch.device) -> int:
    """Bytes that the process has allocated on an accelerator, or its RSS."""
    if is_accelerator(device):
        return torch.accelerator.memory_allocated(device)
    return psutil.Process().memory_info().rss


class PeakMemory(L.Callback):
    """Peak memory of the fit in MiB; the most of any rank.

    Accelerator: peak allocation. CPU: peak RSS, since reset on Linux, since process start
    elsewhere. Checkpoints take memory themselves, so the peak is noted before the first.

    Args:
        device: of the training.
        before: bytes in use before the training, which do not count.
    """

    def __init__(self, device: torch.device, before: int) -> None:
        self._device, self._before = device, before
        self._mb: float | None = None

    @property
    def mb(self) -> float:
        return self.note()

    def note(self) -> float:
        """Fix the peak, before memory is taken that does not count. A collective."""
        if self._mb is None:
            self._mb = max(ddp.gather((self._peak() - self._before) / 2**20))
        return self._mb

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            self.reset()

    def on_fit_end(self, *_: Any) -> None:
        self.note()

    def state_dict(self) -> dict[str, float]:
        return {"mb": self.mb}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self._mb = state_dict["mb"]

    def reset(self) -> None:
        """Forget the peak so far."""
        if is_accelerator(self._device):
            torch.accelerator.reset_peak_memory_stats(self._device)
        elif _CLEAR_REFS.exists():
            _CLEAR_REFS.write_text("5")  # proc(5): resets the peak RSS

    def _peak(self) -> int:
        if is_accelerator(self._device):
            return torch.accelerator.max_memory_allocated(self._device)
        if _STATUS.exists():
            lines = _STATUS.read_text().splitlines()
            (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
            return 1024 * int(peak)
        usage = psutil.Process().memory_info()
        return getattr(usage, "peak_wset", usage.rss)
