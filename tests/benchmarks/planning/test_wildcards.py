"""A wildcard leaves out the models that do not fit the images; a name is refused."""

import pytest

import lit_models
from benchmarks.planning.protocol import Protocol
from benchmarks.planning.sweep_config import SweepConfig


def config(models, image_size):
    return SweepConfig(
        models=tuple(models),
        dataset="cifar10",
        protocol=Protocol.load("quick", {"image_size": str(image_size), "train_examples": "40"}),
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
