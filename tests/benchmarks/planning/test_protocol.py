import dataclasses

import pytest
from pydantic import ValidationError

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.planning import protocol, recipe
from benchmarks.planning.protocol import Protocol


def load(name, **overrides):
    return Protocol.load(str(name), {field: str(value) for field, value in overrides.items()})


def parse(*arguments):
    return cli.parse(["run", *map(str, arguments)]).config


@pytest.mark.parametrize("name", protocol.names())
def test_every_protocol_is_valid(name):
    assert isinstance(load(name), Protocol)


def test_quick_and_standard_are_one_recipe_at_two_budgets():
    quick, standard = (dataclasses.asdict(load(name)) for name in ("quick", "standard"))
    different = {key for key in quick if quick[key] != standard[key]}
    assert different == {"image_size", "epochs", "train_examples", "subset", "batch_size"}
    assert quick["models"] == standard["models"] == {}


def test_d2l_is_the_textbooks():
    d2l = load("d2l")
    settings = {
        name: (s.image_size, s.batch_size, s.learning_rate) for name, s in d2l.models.items()
    }
    assert settings == {
        "lenet": (28, 256, 0.9),
        "alexnet": (224, 128, 0.01),
        "vgg11_narrow": (224, 128, 0.05),
        "nin": (224, 128, 0.1),
        "googlenet": (96, 128, 0.1),
        "resnet18_d2l": (96, 256, 0.05),
        "densenet": (96, 256, 0.1),
    }
    own = d2l.for_model("lenet")
    assert (own.epochs, own.optimizer, own.schedule, own.init) == (10, "sgd", "constant", "xavier")
    assert (own.momentum, own.weight_decay, own.clip_norm, own.normalize) == (0, 0, None, False)
    assert (own.learning_rate, own.train_examples, own.augmentation) == (0.9, None, ())


def test_a_model_a_protocol_does_not_list_is_refused():
    with pytest.raises(UsageError, match="no settings for 'vgg11'; it lists lenet, alexnet"):
        load("d2l").for_model("vgg11")


def test_a_model_with_options_has_the_settings_of_its_net_unless_it_is_listed(tmp_path):
    assert load("d2l").for_model("lenet[padding=0]") == load("d2l").for_model("lenet")
    path = tmp_path / "mine.yaml"
    settings = "{image_size: 28, batch_size: %d, learning_rate: 0.1}"
    path.write_text(
        "image_size: 28\nepochs: 1\nbatch_size: 8\nlearning_rate: 0.1\nmodels:\n"
        f"  lenet: {settings % 16}\n  lenet[padding=0]: {settings % 32}\n"
    )
    assert load(path).for_model("lenet[padding=0]").batch_size == 32
    assert load(path).for_model("lenet[padding=1]").batch_size == 16
    path.write_text(path.read_text().replace("padding=0", "padding = 0"))
    with pytest.raises(UsageError, match=r"list it as 'lenet\[padding=0\]'"):
        parse("--protocol", path, "--models=lenet", "--device=cpu").resolved()


def test_an_override_beats_the_file_and_what_it_lists_by_model():
    d2l = parse("--protocol=d2l", "--protocol.learning_rate", "0.3", "--protocol.epochs=2").protocol
    assert d2l.for_model("lenet").learning_rate == 0.3
    assert d2l.for_model("lenet").image_size == 28
    assert d2l.for_model("nin").epochs == 2


def test_overrides_are_in_the_name():
    config = parse("--protocol=quick", "--protocol.epochs=2", "--protocol.clip_norm=null")
    assert config.protocol_name == "quick+epochs=2+clip_norm=None"
    assert config.protocol.clip_norm is None


def test_a_protocol_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("image_size: 40\nepochs: 2\nbatch_size: 8\nlearning_rate: 1e-2\n")
    config = parse("--protocol", path)
    assert config.protocol == Protocol(image_size=40, epochs=2, batch_size=8, learning_rate=0.01)
    assert config.protocol_name == "mine"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epocs: 3", "unknown field 'epocs'; did you mean epochs"),
        ("epochs: 1\nepochs: 2", 'line .: found duplicate key "epochs"'),
        ("epochs: true", "epochs.*must be a number, not True"),
        ("epochs: three", "epochs.*integer.*three"),
        ("epochs: 2.5", "epochs.*integer.*2.5"),
        ("epochs: 0", "epochs.*greater than 0, not 0"),
        ("learning_rate: -1", "learning_rate.*greater than 0, not -1"),
        ("learning_rate: .nan", "learning_rate.*finite"),
        ("optimizer: adam", "optimizer.*adamw.*adam"),
        ("augmentation: [rotate]", "augmentation.*rotate"),
        ("clip_norm: 0", "clip_norm.*greater than 0"),
        ("momentum: 1", "momentum.*less than 1"),
        ("warmup: 1.5", "warmup.*less than 1"),
        ("models: {lenet: {image_size: 28}}", "models.lenet.batch_size is missing"),
        (
            "models: {lenet: {image_size: 28, batch_size: 0, learning_rate: 1}}",
            "models.lenet.batch_size.*greater than 0",
        ),
        (
            "models: {lenet: {image_size: 28, batch_size: 8, learning_rate: 1, epochs: 3}}",
            "unknown field 'models.lenet.epochs'",
        ),
        ("weights: ''", "weights.*at least 1 character"),
        ("epochs: [", "mine.yaml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, line, message):
    path = tmp_path / "mine.yaml"
    values = {"image_size": 28, "epochs": 1, "batch_size": 8, "learning_rate": 0.1}
    values.pop(line.partition(":")[0], None)
    path.write_text("".join(f"{key}: {value}\n" for key, value in values.items()) + line)
    with pytest.raises(UsageError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_a_protocol_extends_another(tmp_path):
    (tmp_path / "inner").mkdir()
    write(tmp_path, base="extends: quick\nepochs: 7\ninit: xavier\n")
    write(tmp_path / "inner", mine="extends: ../base.yaml\nepochs: 8\n")
    mine = load(tmp_path / "inner" / "mine.yaml")
    assert mine == dataclasses.replace(load("quick"), epochs=8, init="xavier")


def test_what_is_set_anew_holds_for_every_model_of_the_parent(tmp_path):
    write(tmp_path, mine="extends: d2l\nlearning_rate: 0.3\n", none="extends: d2l\nmodels: {}\n")
    mine, d2l = load(tmp_path / "mine.yaml"), load("d2l")
    assert {own.learning_rate for own in mine.models.values()} == {0.3}
    assert mine.for_model("lenet").image_size == d2l.for_model("lenet").image_size == 28
    assert load(tmp_path / "none.yaml").for_model("vgg11").image_size == 224


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: other.yaml", "mine.yaml extends other.yaml: .*other.yaml extends mine.yaml: a"),
        ("extends: mine.yaml", "a protocol cannot extend itself"),
        ("extends: nowhere.yaml", "mine.yaml extends nowhere.yaml: no protocol file"),
        ("extends: quik", "mine.yaml extends quik: unknown protocol 'quik'; did you mean quick"),
        ("extends: [quick]", "extends"),
        ("extends: quick\nepocs: 3", "mine.yaml: unknown field 'epocs'; did you mean epochs"),
        ("extends: quick\nepochs: 0", "epochs.*greater than 0"),
        ("extends: empty.yaml", "empty.yaml must map"),
        ("extends: part.yaml", "epochs is missing"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path, text, message):
    write(tmp_path, mine=text, other="extends: mine.yaml", empty="", part="image_size: 32")
    with pytest.raises(UsageError, match=message) as caught:
        load(tmp_path / "mine.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", protocol.names())
def test_a_printed_protocol_is_the_same_protocol(tmp_path, name):
    path = tmp_path / "mine.yaml"
    printed = dataclasses.replace(load(name), augmentation=("flip", "crop"))
    path.write_text(recipe.as_yaml(printed))
    assert load(path) == printed
    assert path.read_text().count("\n# ") >= len(protocol.FIELDS) - 1


CHANGES = {
    **{"image_size": 33, "epochs": 3, "batch_size": 7, "learning_rate": 0.5, "subset": "fixed"},
    **{"train_examples": 9, "validation_examples": 9, "optimizer": "sgd", "beta2": 0.5},
    **{"weight_decay": 0.5, "schedule": "constant", "warmup": 0.1, "clip_norm": None},
    **{"init": "xavier", "normalize": False, "augmentation": ("flip",), "compile": True},
    **{"precision": "32-true", "memory_format": "contiguous_format", "momentum": 0.9},
    "fit": "pad",
    **{"weights": "net.pt", "freeze": "features"},
}


def test_the_words_tell_any_two_recipes_apart():
    """All that can change the training, by whatever field."""
    quick = dataclasses.asdict(load("quick"))
    assert CHANGES.keys() | {"evaluate_every", "models"} == quick.keys()
    for name, value in CHANGES.items():
        base = quick | ({"optimizer": "sgd"} if name == "momentum" else {})
        assert recipe.in_words([base]) != recipe.in_words([base | {name: value}]), name


@pytest.mark.parametrize(
    "field",
    [
        {"optimizer": "adam"},
        {"schedule": "cosine"},
        {"init": "he"},
        {"epochs": 0},
        {"optimzer": "sgd"},
        {"init": "lsvu"},
        {"augmentation": ("flipp",)},
        {"augmentation": "flip"},
        {"normalize": "perhaps"},
        {"epochs": True},
        {"weights": 3},
    ],
)
def test_a_protocol_from_python_is_checked_too(field):
    valid = {"image_size": 28, "epochs": 1, "batch_size": 8, "learning_rate": 0.1}
    with pytest.raises(ValidationError):
        Protocol(**(valid | field))
    with pytest.raises((ValidationError, TypeError)):
        dataclasses.replace(Protocol(**valid), **field)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text("")
    with pytest.raises(UsageError):
        load(tmp_path / "mine.yaml")


@pytest.mark.parametrize("name", ["quik", "nowhere.yaml", ""])
def test_unknown_protocols_are_refused(name):
    with pytest.raises(UsageError, match="quick"):
        load(name)


def test_more_examples_than_there_are():
    own = load("quick", train_examples=90, validation_examples=11)
    own.check_examples(101, "tiny")
    with pytest.raises(UsageError, match="tiny has 100"):
        own.check_examples(100, "tiny")


def test_a_folder_of_results_has_no_path_in_its_name():
    fields = {"weights": "'/some folder/net.pt'", "epochs": "1"}
    assert load("quick", **fields).title("quick", fields) == "quick+weights=net.pt+epochs=1"
