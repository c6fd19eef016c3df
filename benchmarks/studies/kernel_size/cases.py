"""The convolutions that are timed, and what is called."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.errors import UsageError
from benchmarks.training import out_of_memory
from benchmarks.training.callbacks.peak_memory import PeakMemory, memory_in_use


@dataclass(frozen=True)
class Case:
    """The maps of a convolution, and how they lie in memory."""

    channels: int
    image_size: int
    layout: torch.memory_format
    dtype: torch.dtype

    @classmethod
    def parse(cls, text: str) -> "Case":
        """Read `64 x 28 channels_last bf16`.

        Raises:
            UsageError: a text of another form.
        """
        found = re.fullmatch(r"([1-9]\d*) x ([1-9]\d*)( channels_last)?( bf16)?", text)
        if found is None:
            raise UsageError(f"a case is such as `64 x 28 channels_last bf16`, not {text!r}")
        layout = torch.channels_last if found[3] else torch.contiguous_format
        dtype = torch.bfloat16 if found[4] else torch.float32
        return cls(int(found[1]), int(found[2]), layout, dtype)

    def layers(self, kernels: str, device: torch.device) -> nn.Module:
        """The convolutions with these kernels in sequence, such as `3 + 3`."""
        sides = map(int, kernels.split(" + "))
        width = (self.channels, self.channels)
        convs = [nn.Conv2d(*width, k, padding=k // 2, bias=False) for k in sides]
        return nn.Sequential(*convs).to(device, self.dtype, memory_format=self.layout)

    def images(self, batch_size: int, device: torch.device) -> Tensor:
        """Random maps, (N, C, H, W)."""
        images = torch.randn(batch_size, self.channels, self.image_size, self.image_size)
        own = images.to(device, self.dtype, memory_format=self.layout)
        return own.requires_grad_()


def peak_mb(call: Callable[[], object], device: torch.device) -> float:
    """Peak memory of a call above what is in use before it, in MiB."""
    out_of_memory.free(device)
    memory = PeakMemory(device, memory_in_use(device))
    memory.reset()
    call()
    return memory.mb
