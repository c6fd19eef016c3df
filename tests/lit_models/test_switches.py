"""PyTorch's switches and seed, set by a module as it is imported or builds a net."""

import re
import sys

import pytest
import torch

import lit_models

LINEAR = """
def linear(in_channels, num_classes, image_size):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size**2, num_classes))
"""


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Writes a module of nets that runs a line as it is imported, or as it builds a net."""

    def write(at_import="", at_build=""):
        body = LINEAR.replace(":\n", f":\n    {at_build or 'pass'}\n")
        code = f"import torch\nfrom torch import nn\n{at_import}\n{body}"
        (tmp_path / "setting_nets.py").write_text(code)

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    sys.modules.pop("setting_nets", None)


def build():
    return lit_models.build("setting_nets:linear", in_channels=1, num_classes=3, image_size=4)


@pytest.mark.parametrize(
    ("line", "read", "said"),
    [
        ("torch.set_default_dtype(torch.float64)", torch.get_default_dtype, "default dtype"),
        ("torch.set_num_threads(3)", torch.get_num_threads, r"threads \(3\)"),
        (
            "torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark",
            lambda: torch.backends.cudnn.benchmark,
            "cuDNN benchmark",
        ),
        (
            "torch.use_deterministic_algorithms(True)",
            torch.are_deterministic_algorithms_enabled,
            "deterministic algorithms",
        ),
        ("torch.set_grad_enabled(False)", torch.is_grad_enabled, "gradients"),
        ("torch.backends.mkldnn.enabled = False", lambda: torch.backends.mkldnn.enabled, "oneDNN"),
        ("torch.manual_seed(77)", torch.initial_seed, r"seed \(77"),
    ],
)
@pytest.mark.parametrize("when", ["at_import", "at_build"])
def test_a_switch_is_put_back_and_named(line, read, said, when, setting, capsys):
    torch.manual_seed(5)
    before = read()
    setting(**{when: line})
    build()
    assert read() == before
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("benchmarks: setting_nets")
    assert re.search(said, told)


def test_an_import_that_draws_or_seeds_does_not_change_the_weights(setting):
    def weights():
        torch.manual_seed(5)
        return build()[1].weight

    setting()
    expected = weights()
    sys.modules.pop("setting_nets")
    setting(at_import="torch.rand(3); torch.manual_seed(0); torch.rand(7)")
    assert torch.equal(weights(), expected)


def test_modules_that_set_nothing_are_not_named(setting, capsys):
    setting()
    build()
    assert capsys.readouterr().err == ""
