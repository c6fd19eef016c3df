"""Names of models with options."""

import pytest
import torch

import lit_models
from lit_models import ModelError, options
from tests.lit_models.conftest import LARGE

SMALL = {"in_channels": 1, "num_classes": 10, "image_size": 32}


def structure(name, **given):
    entry = lit_models.entry(name)
    with torch.device("meta"):
        net = lit_models.build(name, image_size=max(entry.min_size, 32), **given)
    return str(net), [tuple(p.shape) for p in net.parameters()]


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("convnet", "convnet"),
        ("convnet[]", "convnet"),
        ("convnet[first_layer_filters=8]", "convnet[first_layer_filters=8]"),
        (" convnet [ first_layer_filters = 0x8 ] ", "convnet[first_layer_filters=8]"),
        ("convnet[first_layer_filters: 8]", "convnet[first_layer_filters=8]"),
        ("convnet[first_layer_filters=64]", "convnet"),  # its default
        ("resnet18[zero_init_last=True, shortcut='A']", "resnet18[shortcut=A,zero_init_last=true]"),
        ('resnet18[shortcut="A",zero_init_last=true]', "resnet18[shortcut=A,zero_init_last=true]"),
        ("resnet18[shortcut=none]", "resnet18[shortcut=none]"),
        ("dilated_fcn[rates=[2, 2,2]]", "dilated_fcn[rates=[2,2,2]]"),
        ("dilated_fcn[rates=[1,2,5],groups=2]", "dilated_fcn"),
        ("efficientnet_b0[stochastic_depth=0]", "efficientnet_b0[stochastic_depth=0.0]"),
        ("efficientnet_b0[stochastic_depth=1e-5]", "efficientnet_b0[stochastic_depth=1e-05]"),
        ("fcn[zero_init_last=true]", "fcn[zero_init_last=true]"),
        # The default of the class is not that of this builder.
        ("torchvision/resnet50[zero_init_residual=false]",) * 2,
    ],
)
def test_every_spelling_of_a_model_has_one_name(name, canonical):
    assert lit_models.entry(name).name == canonical
    assert lit_models.entry(canonical).name == canonical
    assert lit_models.select([name]) == [canonical]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("convnet[first_layer_filters=[8,64]]", ["convnet[first_layer_filters=8]", "convnet"]),
        ("convnet[first_layer_filters=[8,8]]", ["convnet[first_layer_filters=8]"]),
        (
            "resnet34[zero_init_last=true,shortcut=[A,C]]",
            [f"resnet34[shortcut={s},zero_init_last=true]" for s in "AC"],
        ),
        (
            "alexnet[padding=[1,2],dropout_first=[true,false]]",
            [
                f"alexnet{text}"
                for text in ("[dropout_first=true]", "[dropout_first=true,padding=2]")
            ]
            + ["alexnet", "alexnet[padding=2]"],
        ),
        ("dilated_fcn[rates=[[1,2,5],[2,2]]]", ["dilated_fcn", "dilated_fcn[rates=[2,2]]"]),
        ("vgg11_b?[narrowing=2]", ["vgg11_bn[narrowing=2]"]),
    ],
)
def test_a_list_of_values_is_a_grid(pattern, names):
    assert lit_models.select([pattern]) == names


def test_options_reach_the_net():
    name = "convnet[first_layer_filters=8]"
    assert structure(name) == structure("convnet", first_layer_filters=8) != structure("convnet")
    lenet = lit_models.build("lenet[padding=0]", image_size=32, channels=(4, 8))
    assert lenet.features[0].padding == (0, 0)
    assert lenet.features[3].out_channels == 8


def test_figures_published_for_a_net_are_not_those_of_a_variant():
    variant = lit_models.entry("resnet18[shortcut=A]")
    assert variant.published is None
    assert not variant.canonical
    assert variant.options == {"shortcut": "A"}
    assert variant.module == lit_models.entry("resnet18").module


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("convnet[filters=8]", "convnet has no option 'filters'; it takes first_layer_filters"),
        ("convnet[größe=8]", "convnet has no option 'größe'; it takes first_layer_filters"),
        ("convnet[num_classes=8]", "no option 'num_classes', which data and protocol decide"),
        ("googlenet[depth=8]", "googlenet has no option 'depth'; it takes none"),
        ("lenet[activation=ReLU]", "lenet has no option 'activation'; it takes channels, padding"),
        ("convnet[first_layer_filters=many]", 'valid integer, not "many"'),
        ("convnet[first_layer_filters=true]", "valid integer, not true"),
        ("convnet[first_layer_filters=]", "valid integer, not null"),
        ("convnet[first_layer_filters=[]]", "valid integer, not []"),
        ("convnet[first_layer_filters=[8,many]]", 'valid integer, not "many"'),
        ("convnet[first_layer_filters={a: 1}]", "must be a number, text, true, false, null or a"),
        ("convnet[first_layer_filters=.inf]", "must be a number"),
        ("convnet[first_layer_filters=-1]", "cannot be built: Trying to create tensor with neg"),
        ("convnet[first_layer_filters=0]", "cannot take images of 1 x 32 x 32"),
        ("convnet[first_layer_filters]", "'first_layer_filters' has no value"),
        ("convnet[first_layer_filters=8", "must end with ]"),
        ("convnet[first_layer_filters=[8]", "is not of the form name[option=value,...]"),
        ("convnet[first_layer_filters=8]]", "is not of the form name[option=value,...]"),
        ("convnet[first_layer_filters=8,first_layer_filters=9]", "given twice"),
        ("convnet[" + "[" * 5000 + "]", "is not of the form name[option=value,...]"),
        ("resnet[13]*", "must end with ]; wildcards are * and ?"),
        ("resnet18[shortcut=D]", "'A', 'B', 'C' or 'none', not \"D\""),
        ("resnet18[zero_init_last=yes]", 'valid boolean, not "yes"'),
        ("resnet18[groups=2]", "only bottlenecks have stride_in, groups and group_width"),
        ("vgg11_bn[norm=false]", "vgg11_bn has no option 'norm'; it takes narrowing"),
        ("vgg11[narrowing=0]", "cannot be built: integer division or modulo by zero"),
        ("unet[channels=[1,2,3,4,5]]", "unet has no option 'channels'; it takes none"),
        ("lenet[channels=[1,2,3]]", "option channels: Tuple should have at most 2 items"),
        ("lennet[padding=1]", "unknown model 'lennet'; did you mean lenet"),
        ("[padding=1]", "unknown model ''"),
    ],
)
def test_a_name_that_does_not_work_is_refused_in_one_line(name, problem):
    def plan():
        for chosen in lit_models.select([name]):
            lit_models.check(chosen, **SMALL)

    with pytest.raises(ModelError) as refusal:
        plan()
    assert problem in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_grid_is_no_name_of_one_model():
    with pytest.raises(ModelError, match="stands for 2 models"):
        lit_models.build("convnet[first_layer_filters=[8,16]]")


@pytest.mark.parametrize("name", [name for name in lit_models.names() if name not in LARGE])
def test_every_net_takes_the_options_it_names_and_no_others(name):
    entry = lit_models.entry(name)
    known, takes_more = options.known(entry)
    assert not takes_more
    plain = structure(name)
    for option in options.takes(entry):
        assert structure(name, **{option: known[option].default}) == plain
    with pytest.raises(ModelError, match=f"it takes {', '.join(options.takes(entry)) or 'none'}"):
        lit_models.entry(f"{name}[elegance=1]")


def test_a_segmentation_net_with_options_is_checked():
    lit_models.check("dilated_fcn[rates=[2]]", **SMALL)
    with pytest.raises(ModelError, match=r"fcn\[groups=2\] cannot be built"):
        lit_models.check("fcn[groups=2]", **SMALL)
