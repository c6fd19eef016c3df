import sys
from importlib.metadata import EntryPoint

import pytest
import torch
import torchvision

import lit_models
from lit_models import registry

USERS_NETS = '''
"""Nets of a user."""

import torch
from torch import nn


def small(in_channels, num_classes):
    """A small net."""
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, num_classes))


class Maker:
    @classmethod
    def tiny(cls, num_classes):
        return small(3, num_classes)


def for_color(num_classes):
    return small(3, num_classes)


def of_maps(in_channels, **kwargs):
    return nn.Conv2d(in_channels, 4, 3)


def with_a_mistake(in_channels):
    return None + 1


class with_an_own_auxiliary(nn.Sequential):
    def __init__(self, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(1024, num_classes))

    def forward(self, x):
        logits = super().forward(x)
        return (logits, logits) if self.training else logits


class with_a_tensor(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.mask, self.head = torch.ones(32, 32), nn.Linear(1024, num_classes)

    def forward(self, x):
        return self.head((x * self.mask).flatten(1))


def number(**kwargs):
    return 3


def with_options(num_classes, in_channels=1, width=4, *, rates=(1, 2), names=None):
    return nn.Sequential(nn.Flatten(), nn.Linear(1024, num_classes * int(width) // width))


class Wide(nn.Sequential):
    def __init__(self, num_classes: int, width: int = 4):
        super().__init__(nn.Flatten(), nn.Linear(1024, width), nn.Linear(width, num_classes))


def wider(**kwargs) -> Wide:
    return Wide(**{"width": 8, **kwargs})


def demanding(depth):
    return nn.Identity()
'''


@pytest.fixture
def users_nets(tmp_path, monkeypatch):
    (tmp_path / "users_nets.py").write_text(USERS_NETS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("users_nets", None)


@pytest.mark.parametrize(
    "name",
    [
        "torchvision/resnet18",
        "torchvision/mobilenet_v3_small",
        "torchvision/googlenet",
        "torchvision/vit_b_16",
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_torchvisions_nets(name, channels):
    shape = {"in_channels": channels, "num_classes": 7, "image_size": 32}
    with torch.device("meta"):
        lit_models.check(name, **shape)
        net = lit_models.build(name, **shape).train()
        assert net(torch.empty(2, channels, 32, 32)).shape == (2, 7)


def test_a_net_of_torchvision_is_unchanged():
    ours = lit_models.build("torchvision/resnet18", in_channels=1).eval()
    theirs = torchvision.models.resnet18(num_classes=10).eval()
    theirs.load_state_dict(ours.net.state_dict())
    grey = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(grey), theirs(grey.expand(2, 3, 64, 64)))


def test_timms_nets():
    pytest.importorskip("timm")
    lit_models.check("timm/resnet10t", in_channels=1, num_classes=7, image_size=64)
    net = lit_models.build("timm/resnet10t", num_classes=7)
    assert net(torch.randn(2, 1, 64, 64)).shape == (2, 7)


def test_a_missing_timm_is_reported_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(lit_models.ModelError, match="pip install timm"):
        lit_models.entry("timm/resnet18")


def test_wildcards_select_from_a_library():
    chosen = lit_models.select(["lenet", "torchvision/resnet*"])
    assert chosen[0] == "lenet"
    assert {"torchvision/resnet18", "torchvision/resnet152"} <= set(chosen)
    assert all(name.startswith("torchvision/resnet") for name in chosen[1:])


@pytest.mark.usefixtures("users_nets")
def test_a_callable_gets_the_arguments_it_accepts():
    shape = {"in_channels": 1, "num_classes": 7, "image_size": 12}
    lit_models.check("users_nets:small", **shape)
    assert lit_models.entry("users_nets:small").summary == "A small net."
    assert lit_models.select(["users_nets:small"]) == ["users_nets:small"]
    assert lit_models.build("users_nets:small", **shape)(torch.randn(3, 1, 12, 12)).shape == (3, 7)


def test_arguments_a_library_refuses_are_left_out():
    """Torchvision passes its keyword arguments on to a class without `in_channels`."""
    lit_models.check("torchvision.models:resnet18", in_channels=3, num_classes=7, image_size=32)


@pytest.mark.usefixtures("users_nets")
def test_a_class_may_hold_the_callable():
    lit_models.check("users_nets:Maker.tiny", in_channels=3, num_classes=7, image_size=32)


@pytest.mark.usefixtures("users_nets")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("torchvision/resnet81", "no classification model 'resnet81'; did you mean resnet18"),
        ("torchvision/nothing*", "no classification model"),
        ("keras/resnet50", "unknown library 'keras'; it may be torchvision or timm"),
        ("torchvision/alexnet", "cannot take images of 1 x 32 x 32"),
        ("torchvision/maxvit_t", "cannot be built: Input size"),
        ("no_such_package:net", "cannot be found: No module named 'no_such_package'"),
        ("users_nets:no_such_net", "has no attribute 'no_such_net'"),
        ("users_nets:__name__", "is not callable"),
        ("users_nets:for_color", r"images of 1 x 32 x 32: .*\(N, 3, H, W\), not \(2, 1, 32, 32\)"),
        ("users_nets:of_maps", r"returns \(2, 4, 30, 30\) for two images, not logits \(2, 10\)"),
        ("users_nets:with_an_own_auxiliary", "returns tuple for two images"),
        (".nets:small", "cannot be found"),
        ("users_nets:number", "returns int, not a module"),
        ("users_nets:demanding", "cannot be called: .* missing .* 'depth'"),
    ],
)
def test_nets_that_do_not_fit_are_refused_in_one_line(name, reason):
    def plan():
        for chosen in lit_models.select([name]):
            lit_models.check(chosen, in_channels=1, num_classes=10, image_size=32)

    with pytest.raises(lit_models.ModelError, match=reason) as refusal:
        plan()
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("users_nets")
def test_a_mistake_in_a_users_net_keeps_its_traceback():
    with pytest.raises(TypeError, match="unsupported operand"):
        lit_models.build("users_nets:with_a_mistake")


@pytest.mark.usefixtures("users_nets")
@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (
            "torchvision/resnet50[width_per_group=[32,64]]",
            ["width_per_group=32", "width_per_group=64"],
        ),
        ("torchvision/efficientnet_b0[dropout=0.5]", ["dropout=0.5"]),
        ("users_nets:with_options[width=[2,4]]", ["width=2", ""]),
        ("users_nets:with_options[rates=[1,3]]", ["rates=[1,3]"]),
        ('users_nets:with_options[names="a/b"]', ['names="a/b"']),
        ("users_nets:wider[width=4]", ["width=4"]),  # the default of the class is another net
    ],
)
def test_nets_of_others_take_options(pattern, names):
    base = pattern.partition("[")[0]
    expected = [f"{base}[{text}]" if text else base for text in names]
    assert lit_models.select([pattern]) == expected
    assert all(lit_models.entry(name).options for name in expected if name != base)


def test_timms_nets_take_options():
    pytest.importorskip("timm")
    (name,) = lit_models.select(["timm/resnet10t[stem_width = 16]"])
    assert name == "timm/resnet10t[stem_width=16]"
    with torch.device("meta"):
        net = lit_models.build(name, num_classes=7)
    assert net.conv1[0].out_channels == 12  # 3/4 of the width, in this stem
    with pytest.raises(lit_models.ModelError, match="no option 'pretrained'"):
        lit_models.entry("timm/resnet10t[pretrained=true]")


@pytest.mark.usefixtures("users_nets")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("torchvision/resnet18[depth=2]", "no option 'depth'; it takes zero_init_residual, groups"),
        ("torchvision/resnet18[weights=DEFAULT]", "no option 'weights'"),
        ("torchvision/resnet18[groups=2]", "cannot be built: BasicBlock only supports groups=1"),
        ("torchvision/mobilenet_v3_small[widht=0.5]", "no option 'widht'"),  # would be ignored
        ("users_nets:with_options[width=x]", "option width: Input should be a valid"),
        ("users_nets:with_options[width=0]", "cannot be built: integer .* by zero"),
        ("users_nets:small[width=2]", "users_nets:small has no option 'width'; it takes none"),
        ("users_nets:for_color[elegance=2]", "no option 'elegance'"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(name, reason):
    def plan():
        for chosen in lit_models.select([name]):
            lit_models.check(chosen, in_channels=1, num_classes=10, image_size=32)

    with pytest.raises(lit_models.ModelError, match=reason) as refusal:
        plan()
    assert "\n" not in str(refusal.value)


PLUGIN = '''
"""PlugNet: A. Author, 2026."""

from torch import nn

import lit_models


@lit_models.register(min_size=1)
def plugnet(in_channels, num_classes, image_size):
    """PlugNet."""
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size**2, num_classes))
'''


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Makes a module with the given code the entry point of an installed package."""

    def plug_in(code):
        (tmp_path / "plugnets.py").write_text(code)
        point = EntryPoint("plugnets", "plugnets", registry.ENTRY_POINTS)
        monkeypatch.setattr(registry, "entry_points", lambda group: [point])
        registry.registered.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield plug_in
    registry._entries.pop("plugnet", None)
    sys.modules.pop("plugnets", None)
    registry.registered.cache_clear()


def test_installed_packages_add_their_models(plug_in):
    plug_in(PLUGIN)
    assert "plugnet" in lit_models.names()
    assert lit_models.entry("plugnet").reference == "PlugNet: A. Author, 2026."
    assert lit_models.build("plugnet", image_size=8)(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_a_broken_package_is_named(plug_in):
    plug_in("import no_such_package")
    with pytest.raises(lit_models.ModelError, match="models of plugnets cannot be loaded"):
        lit_models.names()
