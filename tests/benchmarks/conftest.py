import pytest

from benchmarks import cli
from benchmarks.plan import plan, settings_by_model


@pytest.fixture
def small_data(monkeypatch, image_folder):
    """CIFAR-10 is `image_folder`."""
    monkeypatch.setenv("CIFAR10_IMAGES", str(image_folder))


@pytest.fixture
def make_spec(small_data, small_dataset):
    """Makes the RunSpec of a small training of one model, with protocol fields overridden."""

    def make(model="lenet", seed=0, **fields):
        fields = {
            "image_size": 32,
            "epochs": 2,
            "batch_size": 16,
            "train_examples": "null",
            **fields,
        }
        overrides = [f"--protocol.{name}={value}" for name, value in fields.items()]
        args = cli.parse(["run", "--protocol=quick", *overrides]).run
        settings = settings_by_model([model], args.protocol)
        (spec,) = plan(settings, small_dataset, args.protocol, "small", [seed], "cpu")
        return spec

    return make
