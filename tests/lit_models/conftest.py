import pytest
import torch
from torch import nn


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.rand(2, 2, 3, 3))

    def forward(self, x):
        return self.function(x, self.weight)


@pytest.fixture
def as_net():
    """Makes a net of a function of images (N, 2, H, W) and a weight (2, 2, 3, 3)."""
    return Function
