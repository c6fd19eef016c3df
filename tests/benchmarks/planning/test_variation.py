"""`--vary`: one field of the protocol with several values, in one comparison."""

import pytest

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.machine import environment
from benchmarks.planning.plan import plan
from benchmarks.planning.variation import split
from lit_models import ModelError


def config(*arguments, protocol="quick"):
    shared = ["--dataset=cifar10", "--models=lenet", "--device=cpu", f"--protocol={protocol}"]
    return cli.parse(["run", *shared, "--protocol.train_examples=40", *arguments]).config.resolved()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("batch_size=16,64,256", "batch_size=16,64,256"),
        (" batch_size = 16, 64", "batch_size=16,64"),
        ("learning_rate=1e-3,2e-3", "learning_rate=0.001,0.002"),
        ("optimizer=sgd,adamw", "optimizer=sgd,adamw"),
        ("augmentation=[],[flip],[flip,crop]", "augmentation=none,flip,flip+crop"),
        ("clip_norm=null,0.2", "clip_norm=none,0.2"),
        ("normalize=true,false", "normalize=true,false"),
    ],
)
def test_the_values_name_the_comparison(text, title):
    made = config("--vary", text)
    assert made.title == made.folder.name == f"quick+train_examples=40+{title}"


def test_many_values_have_a_name_that_a_file_system_takes():
    values = [f"{n / 1000:.3f}" for n in range(1, 60)]
    titles = {
        config("--vary", f"learning_rate={','.join(chosen)}").title
        for chosen in (values, values[:-1])
    }
    assert len(titles) == 2
    assert max(map(len, titles)) <= 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vary", "batch_size"], "--vary takes FIELD=VALUE,..."),
        (["--vary", "batch_size="], "gives batch_size no value"),
        (["--vary", "batchsize=1"], "unknown field 'batchsize'; did you mean batch_size"),
        (["--vary", "models=1"], "unknown field 'models'"),
        (["--vary", "batch_size=16,many"], "--vary batch_size: .* integer.*many"),
        (["--vary", "batch_size=16,0"], "--vary batch_size: .* greater than 0, not 0"),
        (["--vary", "optimizer=sgd,adam"], "--vary optimizer: .*adam"),
        (["--vary", "batch_size=16,[64"], "--vary batch_size"),
        (["--vary", "learning_rate=1e-3,0.001"], "learning_rate has the value 0.001 twice"),
        (["--vary", "epochs=1", "--vary", "epochs=2"], "--vary is given twice"),
        (["--vary", "train_examples=10,20"], "train_examples is both varied and overridden"),
        (["--vary", "image_size=28,8"], "lenet needs images of at least 12 px, not 8 px"),
        (["--vary", "batch_size=16", "64"], "unrecognized arguments: 64"),
    ],
)
@pytest.mark.parametrize("protocol", ["quick", "auto"])
def test_what_cannot_be_varied_is_refused_in_one_line(arguments, message, protocol):
    with pytest.raises((UsageError, ModelError), match=message) as refusal:
        config(*arguments, protocol=protocol)
    assert "\n" not in str(refusal.value)


def test_each_value_is_a_run_with_the_key_it_has_alone(small_dataset):
    models = "--models=lenet,lenet[padding=0]"
    specs = plan(config(models, "--seeds=0,1", "--vary=batch_size=8,16"), small_dataset)
    values = [(spec.model, spec.seed, spec.varied_value) for spec in specs]
    assert sorted(values) == [
        (model, seed, size)
        for model in ("lenet", "lenet[padding=0]")
        for seed in (0, 1)
        for size in (8, 16)
    ]
    assert len({spec.key for spec in specs}) == len({spec.title for spec in specs}) == 8
    assert len({spec.protocol_digest for spec in specs}) == 1  # one comparison
    (alone,) = plan(config("--protocol.batch_size=8"), small_dataset)
    (same,) = (s for s in specs if (s.model, s.seed, s.varied_value) == ("lenet", 0, 8))
    assert alone.key == same.key


def test_values_that_are_the_same_on_this_device_are_refused(small_dataset):
    auto = environment.resolve_precision("auto", "cpu")
    with pytest.raises(UsageError, match=f"--vary precision has {auto} twice"):
        plan(config(f"--vary=precision=auto,{auto}"), small_dataset)


def test_a_value_beats_what_a_protocol_lists_by_model():
    made = config("--vary=learning_rate=0.1,0.2", protocol="d2l")
    assert [own.learning_rate for own in made.settings("lenet")] == [0.1, 0.2]
    assert {own.image_size for own in made.settings("lenet")} == {28}


def test_every_value_is_checked_against_the_data(small_dataset):
    varied = config("--vary=validation_examples=0,60")
    with pytest.raises(UsageError, match="ask for 100 examples; cifar10 has 80"):
        varied.check_data(small_dataset)


def test_brackets_hold_commas():
    assert split("a[b=1,c=[2,3]], d,,") == ("a[b=1,c=[2,3]]", "d")
