"""Calibration of a machine: its peak FLOPs/sec, and its speed now on a fixed workload."""

import statistics
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.machine import accelerator
from lit_models.classifier import backpropagate

# The reference workload. Never change it: relative speeds are in its terms.
BATCH_SIZE, IMAGE_SIZE = 64, 32

SECONDS = 0.25  # spent on each measurement, unless a fraction of it is asked for
SIDES = {"cpu": 1024}  # of the square matrices; an accelerator needs larger ones
SIDE_OF_ACCELERATORS = 8192
PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


def reference_examples_per_sec(device: torch.device, fraction: float = 1.0) -> float:
    """Training examples/sec of a small fixed net, from the median step time.

    Leaves the random state of the process unchanged.

    Args:
        device: on which the net is trained.
        fraction: of `SECONDS`, how long the steps are timed; three steps at least.
    """
    devices = [device] if accelerator.is_accelerator(device) else []
    with torch.random.fork_rng(devices, device_type=device.type):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 10),
        ).to(device)
        images = torch.randn(BATCH_SIZE, 3, IMAGE_SIZE, IMAGE_SIZE, device=device)
        labels = torch.randint(10, (BATCH_SIZE,), device=device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        list(backpropagate(net, images, labels))
        optimizer.step()

    return BATCH_SIZE / statistics.median(_times(step, device, fraction * SECONDS))


def peak_flops_per_sec(device: torch.device, precision: str) -> float:
    """The peak rate of a product of square matrices or of a wide convolution, whichever is faster.

    Both run in the precision of the run. On CPUs different libraries compute the two.
    """
    options = {"device": device, "dtype": PRECISIONS[precision]}
    side = SIDES.get(device.type, SIDE_OF_ACCELERATORS)
    left, right = torch.ones(2, side, side, **options)
    matmul = 2 * side**3 / min(_times(lambda: left @ right, device, SECONDS))
    batch, channels, size = side // 128, 256, 32
    images, weight = (
        torch.ones(shape, **options).to(memory_format=torch.channels_last)
        for shape in ((batch, channels, size, size), (channels, channels, 3, 3))
    )
    flops = 2 * batch * size**2 * channels**2 * 9
    convolution = flops / min(_times(lambda: F.conv2d(images, weight, padding=1), device, SECONDS))
    return max(matmul, convolution)


def _times(work: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    """Seconds of each call, after two warm-up calls; at least three, until they fill the time."""
    work(), work()
    times: list[float] = []
    began = accelerator.now(device)
    while sum(times) < seconds or len(times) < 3:
        work()
        ended = accelerator.now(device)
        times.append(ended - began)
        began = ended
    return times
