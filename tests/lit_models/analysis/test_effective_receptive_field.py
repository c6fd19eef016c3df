import math

import pytest
import torch
from torch import nn

import lit_models
from lit_models import effective_receptive_field


def uniform(depth, kernel_size):
    """Convolutions with equal weights and padding that preserves the size."""
    net = nn.Sequential(
        *(nn.Conv2d(1, 1, kernel_size, padding="same", bias=False) for _ in range(depth))
    )
    for parameter in net.parameters():
        nn.init.constant_(parameter, -1)
    return net


def test_one_convolution_weights_its_window_equally():
    found = effective_receptive_field(uniform(1, 5), torch.rand(2, 1, 9, 9))
    window = torch.zeros(9, 9)
    window[2:7, 2:7] = 1 / 25
    torch.testing.assert_close(found.weights, window)
    assert found.box == (2, 6, 2, 6)
    assert found.centre == (4.5, 4.5)
    # The nearest 13 of the 25 pixels are at most 2 px away; the 4 farthest are the corners.
    assert found.radius(0.5) == 2
    assert found.radius(0.95) == pytest.approx(math.hypot(2, 2))
    assert found.area(0.5) == 13 / 25
    assert found.area(1) == 1


def test_many_convolutions_give_a_gaussian():
    """Luo et al., 2016, 2.1: the variance is that of one kernel times the depth."""
    depth, kernel_size = 20, 3
    found = effective_receptive_field(
        uniform(depth, kernel_size).double(), torch.rand(1, 1, 65, 65).double()
    )
    assert found.field.size == 41
    deviation = math.sqrt(depth * (kernel_size**2 - 1) / 12)
    for mass in (0.5, 0.95):
        expected = deviation * math.sqrt(-2 * math.log(1 - mass))
        assert found.radius(mass) == pytest.approx(expected, abs=0.5)


def test_it_lies_inside_the_theoretical_field():
    net = lit_models.build("lenet", image_size=48)
    found = effective_receptive_field(net, torch.rand(3, 1, 48, 48))
    first_row, last_row, first_column, last_column = found.box
    assert found.field.size == last_row - first_row + 1 == 16
    inside = found.weights[first_row : last_row + 1, first_column : last_column + 1]
    assert (inside > 0).all()
    assert inside.sum().item() == pytest.approx(1)
    assert found.weights.sum().item() == pytest.approx(1)


def test_weights_do_not_depend_on_the_batch_size():
    net = lit_models.build("resnet18", image_size=32)
    images = torch.rand(5, 1, 32, 32)
    found = effective_receptive_field(net, images, "features.4", batch_size=2)
    again = effective_receptive_field(net, images, "features.4", batch_size=5)
    torch.testing.assert_close(found.weights, again.weights)


def test_in_place_operations_on_the_output_do_not_count():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Hardtanh(0, 1e-9, inplace=True))
    images = torch.rand(1, 1, 8, 8)
    assert effective_receptive_field(net, images, "0").field.kind == "Conv2d"
    with pytest.raises(lit_models.ModelError, match="no gradient of layer"):
        effective_receptive_field(net, images)


def test_a_layer_without_a_map_is_refused():
    net = lit_models.build("lenet", image_size=28)
    images = torch.rand(1, 1, 28, 28)
    for name in ("classifier.1", "features.99"):
        with pytest.raises(lit_models.ModelError, match=f"no layer '{name}'"):
            effective_receptive_field(net, images, name)


def test_the_net_is_unchanged():
    net = lit_models.build("resnet18", image_size=32).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    images = torch.rand(2, 1, 32, 32)
    effective_receptive_field(net, images, "features.0")
    assert net.training
    assert not images.requires_grad
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
