import linecache

import pytest
import torch
from torch import nn

import lit_models
from lit_models import nets, registry
from lit_models.entries import Entry
from lit_models.external import check
from lit_models.mistakes import explain


class Wrong(nn.Module):
    """Takes 32 px; each mistake is made on a line of its own."""

    def __init__(self, mistake="", **sizes):
        super().__init__()
        self.mistake = mistake
        if mistake == "build":
            self.first = nn.Conv2d(1, 4, kernel=3)
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(6, 4, 3))
        self.flat = nn.Linear(400, 10)
        self.norm = nn.BatchNorm2d(7)

    def forward(self, x):
        if self.mistake == "conv":
            return self.features(x)
        if self.mistake == "linear":
            return self.flat(x.flatten(1))
        if self.mistake == "norm":
            return self.norm(x)
        if self.mistake == "view":
            return x.view(-1, 400)
        return self.flat(x.half())


@pytest.mark.parametrize(
    ("mistake", "place", "line"),
    [
        (
            "conv",
            "layer features.2, Conv2d: takes (N, 6, H, W), not (2, 4, 30, 30), at",
            "features",
        ),
        ("linear", "layer flat, Linear: takes (N, 400), not (2, 1024), at", "flat(x.flatten"),
        ("norm", "layer norm, BatchNorm2d: takes (N, 7, H, W), not (2, 1, 32, 32), at", "norm(x)"),
        ("view", "Wrong.forward: shape '[-1, 400]' is invalid for input of size 2048, at", "view"),
    ],
)
def test_a_wrong_shape_names_layer_shapes_and_line(mistake, place, line):
    with pytest.raises(RuntimeError) as caught:
        Wrong(mistake)(torch.zeros(2, 1, 32, 32))
    words = explain(caught.value)
    assert words.startswith(place)
    file, number = words.rpartition(" at ")[2].partition(":")[0].split(", line ")
    assert file.endswith("test_mistakes.py")
    assert words.endswith(linecache.getline(__file__, int(number)).strip())
    assert line in words.rpartition(file)[2]


def test_other_errors_of_a_layer_keep_their_words():
    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(nn.Linear(4, 2))(torch.zeros(2, 4).half())
    words = explain(caught.value)
    assert words.startswith("layer 0, Linear: ")
    assert "dtype" in words


def test_errors_elsewhere_are_not_explained():
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("x")
    assert explain(caught.value) is None


@pytest.mark.parametrize("mistake", ["conv", "build"])
def test_a_check_names_the_mistake_of_a_registered_net(mistake):
    def builder(**sizes):
        return Wrong(mistake, **sizes)

    entry = Entry("wrong", builder, summary="", reference="", module=__name__, min_size=1)
    reason = {
        "conv": r"^wrong cannot take images of 1 x 32 x 32: layer features.2, .*, line \d+: ",
        "build": r"^wrong cannot be built: .*'kernel', at .*test_mistakes.py, line \d+: ",
    }[mistake]
    with pytest.raises(lit_models.ModelError, match=reason):
        check(entry, in_channels=1, num_classes=10, image_size=32)


@pytest.fixture
def add_file(tmp_path, monkeypatch):
    """Adds a file of nets to those of this package."""
    before = dict(registry.registered())
    monkeypatch.setattr(nets, "__path__", [*nets.__path__, str(tmp_path)])

    def add(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        registry.registered.cache_clear()

    yield add
    registry.registered.cache_clear()
    registry._broken.clear()
    assert registry._entries == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import torch\n\nclass Net(nn.Module)\n", "broken_net.py, line 3: expected ':'"),
        ("from torch import nm\n", "broken_net.py, line 1: ImportError: cannot import name 'nm'"),
        (
            "from lit_models.registry import register\n\n"
            "@register(min_size=1)\ndef half_a_net(): ...\n\nsyntax.error",
            "broken_net.py, line 6: NameError: name 'syntax' is not defined",
        ),
    ],
)
def test_a_file_that_cannot_be_imported_is_left_out_and_named(add_file, text, reason):
    add_file("broken_net", text)
    (line,) = lit_models.broken()
    assert reason in line
    assert lit_models.select(["lenet"]) == ["lenet"]
    assert "half_a_net" not in lit_models.names()
    with pytest.raises(lit_models.ModelError) as refusal:
        lit_models.entry("broken_net")
    assert reason in str(refusal.value)
