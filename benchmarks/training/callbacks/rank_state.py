"""The state of each rank that Lightning's checkpoint lacks."""

import random
from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from torch import nn
from torchmetrics import Metric

from benchmarks.training import ddp


class RankState(L.Callback):
    """Saves random numbers and metrics of each rank, and the number of threads.

    With these, a resumed training continues as if uninterrupted, on the CPU to the bit.
    """

    def __init__(self) -> None:
        self._own: dict[str, Any] | None = None

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        self._module = module
        for _, metric in _metrics(module):
            metric.persistent(True)

    def state_dict(self) -> dict[str, Any]:
        device = self._module.device
        own = {
            "random": {"python": random.getstate(), "cpu": torch.get_rng_state()},
            "metrics": {name: metric.state_dict() for name, metric in _metrics(self._module)},
        }
        if device.type != "cpu":
            own["random"]["device"] = torch.get_device_module(device).get_rng_state()
        return {"ranks": ddp.gather(own), "threads": torch.get_num_threads()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._own = state_dict["ranks"][ddp.rank()]
        # The order of summation, and so rounding, depends on the number of threads.
        torch.set_num_threads(state_dict["threads"])

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self._own is None:
            return
        for name, metric in _metrics(module):  # Lightning has restored those of rank 0
            metric.load_state_dict(self._own["metrics"][name])
        numbers, self._own = self._own["random"], None
        random.setstate(numbers["python"])
        torch.set_rng_state(numbers["cpu"])
        if "device" in numbers:
            torch.get_device_module(module.device).set_rng_state(numbers["device"])


def _metrics(module: nn.Module) -> Iterator[tuple[str, Metric]]:
    return ((name, m) for name, m in module.named_modules() if isinstance(m, Metric))
