import pytest
from torch import nn

from benchmarks.measurement.flops import training_flops


def test_flops_are_those_of_the_forward_and_backward_pass(make_training):
    class Linear(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Flatten(), nn.Linear(3072, 10))

    expected = 2 * 2 * 3072 * 10  # the output, and the gradient of the weight
    assert training_flops(make_training(Linear())) == (expected, ())
    assert training_flops(make_training(Linear(), micro_batch_size=4)) == (expected, ())


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_a_grouped_convolution_counts_as_its_groups(make_training, groups):
    net = nn.Sequential(
        nn.Conv2d(3, 8, 1, bias=False),  # the images need no gradient
        nn.Conv2d(8, 16, 3, stride=2, groups=groups, bias=False),
        nn.ConvTranspose2d(16, 8, 5, groups=groups, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    first, second = 3 * 8 * 32**2, 8 * 16 * 9 * 15**2 // groups
    third, last = 16 * 8 * 25 * 15**2 // groups, 80
    expected = 2 * (2 * first + 3 * (second + third + last))
    assert training_flops(make_training(net)) == (expected, ())
