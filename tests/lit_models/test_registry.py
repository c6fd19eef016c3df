import pytest

import lit_models
from lit_models import SEGMENTATION, registry


def test_all_is_the_canonical_net_of_each_architecture():
    chosen = lit_models.select(["all"])
    textbook = {"alexnet", "densenet", "googlenet", "lenet", "nin", "resnet18", "vgg11"}
    dense = lit_models.select(["all"], task=SEGMENTATION)
    assert textbook | {"efficientnet_b0"} <= set(chosen)
    assert set(dense) == {"dilated_fcn", "fcn", "unet"}
    architectures = [lit_models.entry(name).architecture for name in [*chosen, *dense]]
    assert len(set(architectures)) == len(architectures)
    assert {lit_models.entry(name).task for name in chosen} == {lit_models.CLASSIFICATION}


def test_a_wildcard_does_not_select_nets_for_another_task():
    assert lit_models.select(["d*"], task=SEGMENTATION) == ["dilated_fcn"]
    assert "dilated_fcn" not in lit_models.select(["*"])
    assert lit_models.select(["unet*"]) == ["unet", "unet_wide"]  # no others match


def test_select_preserves_the_order_without_duplicates():
    assert lit_models.select(["nin", "resnet18*", "nin", "resnet18"]) == [
        "nin",
        "resnet18",
        "resnet18_d2l",
    ]


def test_a_protocol_may_define_all():
    assert lit_models.select(["all"], ["nin", "vgg11_narrow"]) == ["nin", "vgg11_narrow"]


@pytest.mark.parametrize("pattern", ["resnet81", "resnet8*", ""])
def test_unknown_models_are_refused(pattern):
    with pytest.raises(lit_models.ModelError, match="unknown model"):
        lit_models.select([pattern])


def test_similar_names_are_suggested():
    with pytest.raises(lit_models.ModelError, match="did you mean resnet18"):
        lit_models.build("resnet81")


def test_a_name_is_registered_once():
    def lenet(**kwargs):
        """Another net of this name."""

    with pytest.raises(ValueError, match="'lenet' is registered already"):
        lit_models.register(min_size=1)(lenet)


def test_an_architecture_has_one_canonical_net():
    def lenet_again(**kwargs):
        """Another canonical net of the same paper."""

    lenet_again.__module__ = "lit_models.nets.lenet"
    with pytest.raises(ValueError, match="'lenet' is the canonical lenet"):
        lit_models.register(min_size=1, canonical=True)(lenet_again)
    assert "lenet_again" not in registry._entries
