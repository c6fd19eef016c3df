"""Multiply-adds of operations that PyTorch's counter lacks, and the names of those without any."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import deform_conv2d

import lit_models
from lit_models.analysis.counting import counting

SIZE = 6


class Products(nn.Module):
    """A function of images (N, 1, 6, 6), a matrix (6, 6) and a vector (6,)."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.matrix = nn.Parameter(torch.rand(SIZE, SIZE))
        self.vector = nn.Parameter(torch.rand(SIZE))

    def forward(self, x):
        return self.function(x, self.matrix, self.vector)


def offsets(x, taps):
    return x.new_zeros(len(x), 2 * taps, SIZE, SIZE)


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda x, m, v: m @ v, 36),
        (lambda x, m, v: x @ v, 36),
        (lambda x, m, v: torch.addmv(v, m, v), 36),
        (lambda x, m, v: torch.dot(v, v), 6),
        (lambda x, m, v: torch.vdot(v, v), 6),
        (lambda x, m, v: torch.inner(x, v), 36),
        (lambda x, m, v: torch.addr(m, v, v), 36),
        (lambda x, m, v: torch.addbmm(m, x[:, 0], m[None]), 216),
        (lambda x, m, v: torch.baddbmm(m[None], x[:, 0], m[None]), 216),
        (lambda x, m, v: torch.einsum("nchw,wk->nchk", x, m), 216),
        (lambda x, m, v: torch.einsum("nchw,wk,k->nch", x, m, v), 216 + 36),
        (lambda x, m, v: F.bilinear(x, x, m.expand(5, 6, 6)), 6 * 5 * (36 + 6)),
        (lambda x, m, v: deform_conv2d(x, offsets(x, 9), m[None, None, :3, :3], padding=1), 9 * 36),
        (lambda x, m, v: F.scaled_dot_product_attention(x, x, x), 2 * 216),
        (lambda x, m, v: F.conv2d(x, m[None, None, :3, :3]) * x.mean(), 9 * 16),
    ],
)
def test_products_count(function, macs):
    cost = lit_models.cost(Products(function), SIZE)
    assert (cost.macs, cost.uncounted) == (macs, ())


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_recurrent_layers_count_each_matrix_at_each_step(kind):
    layer = kind(SIZE, 4, num_layers=2, bidirectional=True, batch_first=True)
    matrices = sum(p.numel() for p in layer.parameters() if p.dim() == 2)
    net = Products(lambda x, m, v: net.layer(x[:, 0])[0])
    net.layer = layer
    assert lit_models.cost(net, SIZE).macs == SIZE * matrices
    with counting() as counted:  # on the device, where the layer may be one fused operation
        net(torch.rand(3, 1, SIZE, SIZE))
    assert (counted.flops, counted.uncounted) == (2 * 3 * SIZE * matrices, ())


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x, m, v: torch.fft.rfft2(x).abs(), "fft_r2c"),
        (lambda x, m, v: torch.linalg.matrix_exp(m), "matrix_exp"),
        (lambda x, m, v: torch.linalg.solve(m, v), "linalg_solve"),
        (lambda x, m, v: torch.cdist(x, x), "dist"),
    ],
)
def test_what_cannot_be_counted_is_named(function, name):
    cost = lit_models.cost(Products(lambda *args: function(*args).sum() + args[0] @ args[1]), SIZE)
    assert cost.macs == 216
    assert any(name in operation for operation in cost.uncounted)


@torch.library.custom_op("tests::gram", mutates_args=())
def gram(x: torch.Tensor) -> torch.Tensor:
    return x @ x.mT


@gram.register_fake
def _(x):
    return torch.empty_like(x)


def test_an_operation_of_ones_own_is_named():
    assert lit_models.cost(Products(lambda x, m, v: gram(x)), SIZE).uncounted == ("tests.gram",)


def test_what_is_no_product_of_matrices_is_not_named():
    def function(x, m, v):
        x = F.layer_norm(x, (SIZE,), v, v) + F.interpolate(x, SIZE, mode="bilinear")
        x = F.grid_sample(x, x.new_zeros(len(x), SIZE, SIZE, 2), align_corners=False)
        x = torch.where(x > 0, x, F.prelu(x, v[:1])) + F.cosine_similarity(x, x, dim=-1)[..., None]
        x = torch.cat([x, x.cumsum(-1)], 1)[:, :, v.argsort()]
        return (
            F.max_pool2d(x, 2)
            .flatten(1)
            .index_add(1, torch.zeros(1).long().to(x.device), x[:, 0, :1, 0])
        )

    net = Products(function)
    with counting() as counted:
        F.cross_entropy(net(torch.rand(2, 1, SIZE, SIZE)), torch.zeros(2).long()).backward()
    assert (counted.flops, counted.uncounted) == (0, ())


def attend(x, m, v):
    x = x @ m
    return F.scaled_dot_product_attention(x, x, x)


def test_the_backward_pass_of_attention_counts():
    """The product takes one pass more; attention takes its own scores again and four products."""
    net = Products(attend)
    with counting() as forward:
        net(torch.rand(2, 1, SIZE, SIZE))
    with counting() as both:
        net(torch.rand(2, 1, SIZE, SIZE)).sum().backward()
    assert forward.flops == 2 * 2 * (216 + 2 * 216)
    assert both.flops == 2 * 2 * (2 * 216 + (2 + 5) * 216)
    assert both.uncounted == ()


def test_the_backward_pass_of_a_deformable_convolution_counts():
    net = Products(
        lambda x, m, v: deform_conv2d(x, offsets(x, 9), m[None, None, :3, :3], padding=1)
    )
    with counting() as counted:
        net(torch.rand(2, 1, SIZE, SIZE)).sum().backward()
    assert (counted.flops, counted.uncounted) == (3 * 2 * 2 * 9 * 36, ())
