import subprocess
import sys

import pytest

from benchmarks import cli
from benchmarks.planning.placement import Placement
from tests.conftest import ROOT


def benchmarks(*arguments, **options):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


def loaded(*arguments):
    """The modules `python -m benchmarks` has imported when it is done."""
    code = (
        "import sys; from benchmarks.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_results_are_reported_without_torch(make_results, tmp_path):
    folder = make_results(tmp_path, {"lenet": [0.8, 0.9]})
    assert not loaded("report", "--results", str(tmp_path)) & {"torch", "lightning", "torchvision"}
    assert (folder / "table.md").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["run", "--protocol", "quik"],
        ["run", "--dataset", "cifar11"],
        ["run", "--seeds", "x"],
        ["study", "kernel"],
        ["rn"],
    ],
)
def test_help_and_wrong_arguments_import_nothing_heavy(arguments):
    assert not loaded(*arguments) & {"torch", "lightning", "pandas", "matplotlib"}


def test_list_imports_torch_alone():
    modules = loaded("list")
    assert "torch" in modules
    assert not modules & {"lightning", "pandas", "matplotlib"}


def refused(capsys, *arguments):
    assert cli.main(list(map(str, arguments))) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "invalid choice: 'rnu'"),
        ([], "the following arguments are required: verb"),
        (["run", "--model", "lenet"], "did you mean --models"),
        (["run", "--models", "lenett"], "unknown model 'lenett'; did you mean lenet"),
        (["run", "--models", ","], "--models names nothing"),
        (["run", "--models", "lenet[padding=0,nin"], "must end with ]"),
        (["run", "--models", "lenet[pading=0],nin"], "it takes channels, padding"),
        (["describe", "lenet[padding=[0,2]]"], "stands for 2 models"),
        (["describe", "lenet[padding=-20]"], "lenet[padding=-20] cannot take images"),
        (["run", "--dataset", "fashion_mnits"], "did you mean fashion_mnist, fashion_mnist_masks?"),
        (["run", "--protocol", "standrad"], "did you mean standard?"),
        (["run", "--protocol.epoch", "3"], "did you mean --protocol.epochs"),
        (["run", "--protocol.epochs", "many"], "epochs: Input should be a valid integer"),
        (["run", "--seeds", "0,x"], "seed 'x' is not a whole number"),
        (["run", "--device", "cdua"], "unknown device 'cdua'; did you mean cuda"),
        (["run", "--protocol", "d2l", "--models", "vgg11"], "no settings for 'vgg11'"),
        (["run", "--executor", "locla"], "unknown executor 'locla'; did you mean local"),
        (["run", "--jobs", "0"], "--jobs must be above 0"),
        (["run", "--devices", "0"], "--devices must be above 0"),
        (["run", "--num-nodes", "0"], "--num-nodes must be above 0"),
        (["run", "--strategy", "fsdp"], "unknown strategy 'fsdp'; did you mean ddp"),
        (["run", "--timeout", "-1"], "--timeout must be above 0"),
        (["run", "--budget", "15"], "a time is given as 90s, 15m or 1h30m, not as '15'"),
        (["run", "--budget", "0m"], "--budget must be above 0"),
        (["run", "--budget", "9s", "--jobs", "2"], "one run at a time on one device"),
        (["run", "--budget", "9s", "--executor", "ray"], "--budget times this machine"),
        (["run", "--budget", "9s", "--vary", "train_examples=9"], "--vary cannot vary it"),
        (["run", "--study", "kernel"], "did you mean kernel_size?"),
        (["study", "kernel"], "did you mean kernel_size?"),
        (["study", "kernel_size", "--device", "tpu"], "unknown device 'tpu'"),
        (["study", "kernel_size", "--budget", "ful"], "unknown budget 'ful'; did you mean full"),
        (["study", "kernel_size", "--set", "rounds"], "must be of the form NAME=VALUE"),
        (["describe", "lenet", "--image-size", "8"], "lenet needs images of at least 12 px"),
        (["describe", "lenet", "--image-size", "-8"], "--image-size must be at least 1"),
        (["describe", "--yaml"], "--yaml takes --protocol"),
        (["describe", "lenet", "--protocol", "quick", "--yaml"], "--yaml takes --protocol"),
        (["describe", "--protocol", "auto"], "auto is quick on a CPU"),
        (["describe", "vgg11", "--protocol", "d2l"], "no settings for 'vgg11'"),
        (["describe", "leenet"], "did you mean lenet"),
        (["report", "--results", "/nowhere"], "no records in /nowhere"),
    ],
)
def test_bad_input_gets_one_line(capsys, arguments, message):
    assert message in refused(capsys, *arguments)


def test_a_device_that_is_not_there(capsys, monkeypatch):
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda check_available: None)
    assert "no device 'cuda' on this machine; there is cpu" in refused(
        capsys, "run", "--models", "lenet", "--device", "cuda"
    )


def test_ray_that_is_not_installed(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    message = refused(capsys, "run", "--models", "lenet", "--executor", "ray")
    assert "the executor ray needs Ray; install it by `pip install ray`" in message


def test_a_cluster_may_have_a_device_that_this_machine_lacks(monkeypatch):
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda check_available: None)
    assert Placement("cuda").resolved("ray").device == "cuda"
    assert Placement("auto").resolved("ray").device == "cpu"


def test_an_unwritable_results_folder(capsys, tmp_path):
    (tmp_path / "results").write_text("a file is in the way")
    message = refused(capsys, "run", "--models", "lenet", "--results", tmp_path / "results")
    assert "cannot be written: Not a directory" in message


def test_absent_data(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR10_IMAGES", str(tmp_path / "nowhere"))
    message = refused(capsys, "run", "--dataset", "cifar10", "--results", tmp_path)
    assert "nowhere cannot be read" in message


def test_too_small_an_image_is_refused_before_anything_runs(
    capsys, tmp_path, monkeypatch, image_folder
):
    monkeypatch.setenv("CIFAR10_IMAGES", str(image_folder))
    arguments = ["--dataset", "cifar10", "--models", "lenet,nin", "--protocol.image_size", "40"]
    message = refused(capsys, "run", *arguments, "--results", tmp_path / "results")
    assert "nin needs images of at least 67 px, not 40 px" in message
    assert not list((tmp_path / "results").rglob("*.json"))


def test_options_that_no_image_fits_are_refused_before_anything_runs(
    capsys, tmp_path, monkeypatch, image_folder
):
    monkeypatch.setenv("CIFAR10_IMAGES", str(image_folder))
    arguments = ["--dataset=cifar10", "--models=lenet,lenet[padding=-36]", "--device=cpu"]
    arguments += ["--protocol=quick", "--protocol.train_examples=80"]
    assert cli.main(["run", *arguments, f"--results={tmp_path / 'here'}"]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "lenet[padding=-36] cannot take images of 3 x 72 x 72" in message
    assert not list((tmp_path / "here").rglob("*.json"))


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("lit_models.names", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["list"])


def test_list_shows_canonical_members_and_variants(capsys):
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("* resnet18 ") for line in lines)
    assert any(line.startswith("  resnet18_d2l ") for line in lines)


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("lenet, nin", ("lenet", "nin")),
        ("lenet[padding=0,channels=[4,8]],nin", ("lenet[padding=0,channels=[4,8]]", "nin")),
        ("a[b=1],c[d=[[1,2],[3]]]", ("a[b=1]", "c[d=[[1,2],[3]]]")),
        ("a[b=1,c", ("a[b=1,c",)),
    ],
)
def test_commas_in_brackets_do_not_separate_models(text, models):
    assert cli.parse(["run", "--models", text]).config.models == models


def test_describe_shows_a_model_with_options(capsys):
    assert cli.main(["describe", "lenet[padding = 0]"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("lenet[padding=0]: ")
    assert "image: 1 x 28 x 28, 10 classes" in shown
    assert "options: channels, padding" in shown
    assert "none to check against" in shown


def test_describe_takes_the_size_a_model_is_for(capsys):
    assert cli.main(["describe", "lenet"]) == 0
    assert "image: 1 x 28 x 28, 10 classes" in capsys.readouterr().out


def test_describe_takes_the_size_of_a_protocol(capsys):
    for protocol, size in (("quick", 72), ("d2l", 28)):
        assert cli.main(["describe", "lenet", "--protocol", protocol]) == 0
        assert f"image: 1 x {size} x {size}, 10 classes" in capsys.readouterr().out


def test_describe_says_what_a_protocol_does(capsys):
    assert cli.main(["describe", "--protocol", "d2l"]) == 0
    shown = capsys.readouterr().out
    for line in ("optimizer: SGD, momentum 0", "initialisation: Xavier", "lenet: 28 px"):
        assert line in shown


@pytest.mark.parametrize(("device", "protocol"), [("cpu", "quick"), ("cuda", "standard")])
def test_the_automatic_protocol_depends_on_the_device(monkeypatch, device, protocol):
    monkeypatch.setattr("benchmarks.machine.environment.resolve_device", lambda name: device)
    monkeypatch.setattr("benchmarks.machine.environment.check_devices", lambda *args: None)
    config = cli.parse(["run", "--models=lenet", "--protocol.epochs=3"]).config
    assert config.protocol is None
    config = config.resolved()
    assert config.protocol_name == f"{protocol}+epochs=3"
    assert config.protocol.epochs == 3
