import pytest
import torch
from torch import nn

import lit_models
from lit_models.nets.dilated_fcn import DilatedFCN, coverage, largest_gap


@pytest.mark.parametrize(
    ("rates", "gap", "covered", "span"),
    [
        ([1, 2, 5], 2, 17, 17),  # satisfies the inequality in the paper
        ([1, 2, 9], 5, 21, 25),  # violates it in the paper
        ([2, 2, 2], 2, 7, 13),  # gridding, which the inequality does not detect
        ([1, 1], 1, 5, 5),
    ],
)
def test_gap_and_coverage(rates, gap, covered, span):
    assert largest_gap(rates) == gap
    assert coverage(rates, kernel_size=3) == (covered, span)


@pytest.mark.parametrize("rates", [(), (2,)])
def test_the_gap_of_fewer_than_two_rates_is_refused(rates):
    with pytest.raises(ValueError, match="at least two rates"):
        largest_gap(rates)


@pytest.mark.parametrize("rates", [(1,), (3, 1), (1, 2, 5), (2, 4, 8), (1, 2, 9)])
@pytest.mark.parametrize("kernel_size", [2, 3, 5])
def test_coverage_counts_the_positions_real_convolutions_reach(rates, kernel_size):
    line = torch.zeros(1, 1, 101, requires_grad=True)
    x = line
    for rate in rates:
        layer = nn.Conv1d(1, 1, kernel_size, dilation=rate, bias=False)
        nn.init.ones_(layer.weight)
        x = layer(x)
    x[0, 0, 0].backward()
    reached = line.grad[0, 0].nonzero().flatten()
    assert coverage(rates, kernel_size) == (len(reached), 1 + int(reached.max()))


def test_the_order_of_rates_does_not_change_the_coverage():
    assert coverage([1, 2, 5]) == coverage([5, 1, 2])


@pytest.mark.parametrize("image_size", [64, 61])
def test_features_are_an_eighth_of_the_image(image_size):
    net = lit_models.build("dilated_fcn", image_size=image_size).eval()
    assert net.features(torch.zeros(1, 1, image_size, image_size)).shape == (1, 256, 8, 8)


def test_the_rates_are_those_of_the_convolutions():
    net = DilatedFCN(rates=(1, 3), groups=3)
    rates = [m.dilation[0] for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert rates[6:-1] == [1, 3] * 3
    assert net(torch.zeros(2, 1, 24, 24)).shape == (2, 11, 24, 24)


def test_rates_with_holes_are_allowed():
    assert lit_models.build("dilated_fcn", image_size=32, rates=(2, 2, 2))
