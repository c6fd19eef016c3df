"""A wildcard leaves out the models that do not fit; a name is refused."""

import pytest
import torch

import lit_models
from benchmarks.planning.plan import plan
from benchmarks.planning.protocol import Protocol
from benchmarks.planning.sweep_config import SweepConfig


def config(models, image_size, **fields):
    fields = {"image_size": str(image_size), "train_examples": "40"} | fields
    return SweepConfig(
        models=tuple(models),
        dataset="cifar10",
        protocol=Protocol.load("quick", fields),
        protocol_name="own",
    )


def test_a_wildcard_leaves_out_what_needs_larger_images(capsys):
    resolved = config(["nin*", "lenet"], 40).resolved()
    assert resolved.models == ("nin_cifar", "lenet")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks: left out: nin needs images of at least")


def test_a_wildcard_leaves_out_what_does_not_fit_the_images(small_dataset, capsys):
    asked = config(["torchvision/squeezenet1_?", "torchvision/alexne*", "lenet"], 32)
    fitting = asked.resolved().check_data(small_dataset)
    assert "torchvision/alexnet" not in fitting.models
    assert fitting.models[-1] == "lenet"
    assert "left out: torchvision/alexnet cannot take images" in capsys.readouterr().err


@pytest.mark.parametrize("models", [["nin", "lenet"], ["ni*", "nin"], ["ni?"]])
def test_a_name_and_a_wildcard_without_any_model_left_are_refused(models):
    with pytest.raises(lit_models.ModelError, match="nin needs images"):
        config(models, 40).resolved()


@pytest.fixture
def weights(tmp_path):
    """The path of the weights of a plain20."""
    net = lit_models.build("plain20", in_channels=3, image_size=32)
    torch.save(net.state_dict(), tmp_path / "plain20.pt")
    return str(tmp_path / "plain20.pt")


def test_a_wildcard_leaves_out_what_the_weights_do_not_fit(small_dataset, weights, capsys):
    asked = config(["lene*", "plain?0"], 32, weights=weights).resolved()
    assert [spec.model for spec in plan(asked, small_dataset)] == ["plain20"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(asked.models) - 1
    assert all("left out: " in line and "weights of another net" in line for line in lines)
    with pytest.raises(lit_models.ModelError, match="weights of another net"):
        plan(config(["plain?0", "lenet"], 32, weights=weights).resolved(), small_dataset)
