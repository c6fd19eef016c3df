"""How fast and how large: examples/sec, the limit of a bare loop, peak memory."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.flop_counter import FlopCounterMode

from lit_models.classifier import forward_loss

WARMUP_STEPS = 5


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all work queued on it."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


class TrainingClock(L.Callback):
    """Times the training loop: batches, steps and metrics, device synchronised at both ends.

    Left out are the first steps of each process, and whatever happens between epochs, after them,
    and while the clock is stopped.
    """

    def __init__(self) -> None:
        self.examples = 0
        self.seconds = 0.0
        self._started: float | None = None

    @property
    def examples_per_sec(self) -> float:
        return self.examples / self.seconds

    def state_dict(self) -> dict[str, float]:
        return {"examples": self.examples, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.examples, self.seconds = state["examples"], state["seconds"]

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        done = trainer.global_step
        ahead = int(trainer.estimated_stepping_batches) - done
        self._warm_at = done + min(WARMUP_STEPS, ahead // 2)
        self._start_if_warm(trainer, module)  # a resumed epoch has no start

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._start_if_warm(trainer, module)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs, batch, batch_idx: int
    ) -> None:
        if self._started is not None:
            self.examples += trainer.train_dataloader.global_size(batch_idx)
        else:
            self._start_if_warm(trainer, module)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._stop(module.device)

    @contextmanager
    def stopped(self, device: torch.device) -> Iterator[None]:
        """Nothing is timed inside."""
        was_running = self._started is not None
        self._stop(device)
        yield
        if was_running:
            self._start(device)

    def _start_if_warm(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.global_step >= self._warm_at:
            self._start(module.device)

    def _start(self, device: torch.device) -> None:
        synchronize(device)
        self._started = time.perf_counter()

    def _stop(self, device: torch.device) -> None:
        if self._started is not None:
            synchronize(device)
            self.seconds += time.perf_counter() - self._started
            self._started = None


@contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """What Lightning does around a step for the same precision."""
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
        yield


def time_steps(
    net: nn.Module,
    optimizer: Optimizer,
    batch: tuple[Tensor, Tensor],
    *,
    clip_norm: float | None,
    precision: str,
    seconds: float = 1.5,
) -> tuple[float, float]:
    """What the hardware allows: a bare training loop on one resident batch.

    Returns:
        examples/sec over at least three steps and `seconds`, and the FLOPs of training on one
        example, counted on a real forward and backward pass.
    """
    images, labels = batch
    net.train()

    def step() -> None:
        optimizer.zero_grad()
        with autocast(images.device, precision):
            _, _, loss = forward_loss(net, images, labels)
        loss.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(net.parameters(), clip_norm)
        optimizer.step()

    with FlopCounterMode(display=False) as counter:
        step()
    step()
    steps = 0
    synchronize(images.device)
    start = time.perf_counter()
    while steps < 3 or time.perf_counter() - start < seconds:
        step()
        steps += 1
    synchronize(images.device)
    rate = steps * len(labels) / (time.perf_counter() - start)
    return rate, counter.get_total_flops() / len(labels)


def reset_peak_memory(device: torch.device) -> None:
    """Forget the peak of the device's allocator; that of a process cannot be forgotten."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory so far in MiB: of CUDA's allocator, or, on other devices, of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
