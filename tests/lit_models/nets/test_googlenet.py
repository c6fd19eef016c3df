import pytest
import torch
from torch.nn import functional as F

import lit_models
from lit_models.classifier import forward_loss


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_auxiliary_classifiers_have_their_published_size():
    with torch.device("meta"):
        net = lit_models.build("googlenet_bn", in_channels=3, num_classes=1000)
    assert (count(net.auxiliary1), count(net.auxiliary2)) == (3_188_968, 3_191_016)
    assert count(net) - count(net.auxiliary1) - count(net.auxiliary2) == 7_005_832


@pytest.mark.parametrize("image_size", [32, 96, 448])
def test_auxiliary_logits_are_returned_in_train_mode_only(image_size):
    with torch.device("meta"):
        net = lit_models.build("googlenet_bn", image_size=image_size)
        images = torch.empty(2, 1, image_size, image_size)
        assert [logits.shape for logits in net.train()(images)] == [(2, 10)] * 3
        assert net.eval()(images).shape == (2, 10)


def test_auxiliary_losses_have_weight_three_tenths():
    net = lit_models.build("googlenet_bn", image_size=32).train()
    images, labels = torch.randn(4, 1, 32, 32), torch.tensor([1, 2, 3, 4])
    torch.manual_seed(1)
    logits, *others = net(images)
    torch.manual_seed(1)
    found, losses, loss = forward_loss(net, images, labels)
    assert torch.equal(found, logits)
    torch.testing.assert_close(losses.mean(), F.cross_entropy(logits, labels))
    auxiliary = sum(F.cross_entropy(each, labels) for each in others)
    torch.testing.assert_close(loss, losses.mean() + 0.3 * auxiliary)


def test_inception_blocks_have_their_published_size():
    with torch.device("meta"):
        net = lit_models.build("googlenet_bn", in_channels=3)
    assert count(net.to_4a[5]) == 164_064
    assert count(net.to_4a[6]) == 389_376
