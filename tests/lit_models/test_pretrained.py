"""Weights from elsewhere: found, matched with a net, adapted to its images."""

import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn

import lit_models
from lit_models import ModelError, pretrained
from lit_models.freezing import freeze_features, train_mode


def net(channels=3, classes=10, model="resnet20"):
    return lit_models.build(model, in_channels=channels, num_classes=classes, image_size=32)


@pytest.fixture
def saved(tmp_path):
    """Writes the state dict of a net to a file; returns its path."""

    def save(source, suffix=".pt", wrap=None):
        path, state = tmp_path / f"weights{suffix}", source.state_dict()
        if suffix == ".safetensors":
            safetensors.torch.save_file(state, path)
        else:
            torch.save({wrap: state} if wrap else state, path)
        return str(path)

    return save


def find(path, model="resnet20", cache=None):
    return pretrained.find(path, model, cache)


@pytest.mark.parametrize(
    ("suffix", "wrap"),
    [(".pt", None), (".pt", "state_dict"), (".pth", "model"), (".safetensors", None)],
)
def test_a_net_takes_the_weights_of_its_like(saved, suffix, wrap):
    source, target = net(), net()
    found = find(saved(source, suffix, wrap))
    done = pretrained.transfer(target, found, 10)
    assert (done.adapted, done.new) == ((), ())
    assert done.loaded == len(source.state_dict())
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, source.state_dict()[name])


def test_other_classes_get_a_new_last_layer(saved):
    source, target = net(classes=7), net(classes=4)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    done = pretrained.transfer(target, find(saved(source)), 4)
    *_, weight, bias = target.state_dict()
    assert done.new == (weight, bias)
    assert str(done).endswith(f"tensors, new {weight} {bias}")
    assert torch.equal(target.state_dict()[weight], before[weight])


@pytest.mark.parametrize(("had", "gets"), [(3, 1), (1, 3)])
def test_the_first_convolution_is_adapted_to_the_channels(saved, had, gets):
    """Grey images as colour images, and the other way round, have the same features."""
    source, target = net(had).eval(), net(gets).eval()
    done = pretrained.transfer(target, find(saved(source)), 10)
    assert len(done.adapted) == 1
    grey = torch.rand(2, 1, 32, 32)
    logits = [each(grey.expand(-1, n, -1, -1)) for each, n in ((source, had), (target, gets))]
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "efficientnet_b0"])
def test_torchvisions_weights_fit_the_nets_that_equal_torchvisions(saved, name):
    theirs = torchvision.models.get_model(name, weights=None).eval()
    ours = net(3, 1000, name).eval()
    pretrained.transfer(ours, find(saved(theirs), name), 1000)
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs(images))


def test_a_net_behind_the_repetition_of_grey_images_takes_the_librarys_weights(saved):
    theirs = torchvision.models.resnet18().eval()
    ours = net(1, 10, "torchvision/resnet18")
    done = pretrained.transfer(ours, find(saved(theirs), "torchvision/resnet18"), 10)
    assert done.new == ("net.fc.weight", "net.fc.bias")


def test_weights_of_another_net_are_refused(saved):
    with pytest.raises(ModelError, match="weights of another net: .* do not fit, the first"):
        pretrained.transfer(net(model="lenet"), find(saved(net())), 10)
    # As many tensors of these shapes, but nothing says that they belong together.
    source = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    target = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    with pytest.raises(ModelError, match="the first a.weight"):
        pretrained.transfer(target, find(saved(source)), 10)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pt", None, "cannot be read: No such file"),
        ("text.pt", b"no weights", "damaged, or not a file of weights"),
        ("cut.safetensors", b"\x10", "damaged, or not a file of weights"),
        ("weights.ckpt", b"", "ends in .safetensors, .pt, .pth"),
    ],
)
def test_what_holds_no_weights_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as raised:
        find(str(path))
    assert name in str(raised.value)


def test_a_pickle_is_not_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "exploded").touch, ()

    torch.save({"a": Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(ModelError, match="damaged, or not a file of weights"):
        find(str(tmp_path / "bomb.pt"))
    assert not (tmp_path / "exploded").exists()
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    with pytest.raises(ModelError, match="does not hold a state dict"):
        find(str(tmp_path / "list.pt"))


def test_no_network_and_no_such_weights_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="no library has pretrained weights of lenet"):
        find("pretrained", "lenet")
    with pytest.raises(ModelError, match="cannot be fetched"):
        find("http://127.0.0.1:9/net.pt", cache=tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="pretrained weights of resnet18 cannot be had"):
        find("pretrained", "resnet18")


def test_every_net_that_equals_torchvisions_has_weights_there():
    for ours, theirs in pretrained.EQUALS_TORCHVISIONS.items():
        assert ours in lit_models.names()
        assert torchvision.models.get_model_weights(theirs).DEFAULT


def test_frozen_layers_keep_weights_and_statistics():
    frozen = net()
    freeze_features(frozen)
    trained = [name for name, p in frozen.named_parameters() if p.requires_grad]
    assert trained == [name for name, _ in frozen.named_parameters()][-2:]
    train_mode(frozen)
    before = {name: tensor.clone() for name, tensor in frozen.state_dict().items()}
    optimizer = torch.optim.AdamW(frozen.parameters(), lr=0.1)
    frozen(torch.rand(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    changed = [n for n, tensor in frozen.state_dict().items() if not torch.equal(tensor, before[n])]
    assert changed == trained
