"""A net that trains in no time, and whose dropout and batch normalisation have a state to lose."""

import multiprocessing
import os
import time
from pathlib import Path

import psutil
from torch import Tensor, nn

from lit_models.registry import register


class Tiny(nn.Module):
    def __init__(self, in_channels: int, num_classes: int, image_size: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, 8, 3, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(8 * 4 * 4, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


@register(min_size=8)
def tiny(**kwargs) -> Tiny:
    """A convolution, batch normalisation, dropout and a linear layer."""
    return Tiny(**kwargs)


class Fatal(Tiny):
    """Kills the worker of Ray that its run was started by in its ninth forward pass.

    Nobody else: elsewhere it is a net like any other. Once, if `FATAL` names a file to remember it
    by; each time, if it does not.
    """

    passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        done = os.environ.get("FATAL")
        if self.passes == 9 and not (done and Path(done).exists()):
            parent = psutil.Process(multiprocessing.parent_process().pid)
            if parent.cmdline()[0].startswith("ray::"):
                if done:
                    Path(done).touch()
                parent.kill()
                time.sleep(60)
        return super().forward(x)


def fatal(**kwargs) -> Fatal:
    return Fatal(**kwargs)


class Broken(Tiny):
    """Fails in its ninth forward pass."""

    passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        if self.passes == 9:
            raise RuntimeError("a fault | of <this> net")
        return super().forward(x)


def broken(**kwargs) -> Broken:
    return Broken(**kwargs)
