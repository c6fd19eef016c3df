import torch

import lit_models
from lit_models.nets.lenet import CONNECTIONS, ScaledTanh


def test_the_table_of_connections_is_that_of_1998():
    """Table I: 6 maps see three neighbours, 6 four neighbours, 3 four others, and one all maps."""
    assert [len(seen) for seen in CONNECTIONS] == [3] * 6 + [4] * 9 + [6]
    assert CONNECTIONS[4] == (4, 5, 0)
    assert CONNECTIONS[12:15] == ((0, 1, 3, 4), (1, 2, 4, 5), (2, 3, 5, 0))
    counts = [sum(i in seen for seen in CONNECTIONS) for i in range(6)]
    assert counts == [10] * 6  # 60 kernels, ten for each map


def test_a_map_of_c3_depends_on_its_connections_only():
    net = lit_models.build("lenet5_tanh", image_size=32)
    layer = net.features[4]
    x = torch.randn(1, 6, 14, 14, requires_grad=True)
    for number, seen in enumerate(CONNECTIONS):
        (gradient,) = torch.autograd.grad(layer(x)[:, number].sum(), x)
        assert {i for i in range(6) if gradient[0, i].any()} == set(seen)


def test_scaled_tanh_preserves_one_and_minus_one():
    ends = ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(ends, torch.tensor([-1.0, 0.0, 1.0]), rtol=0, atol=1e-4)
