import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks import cli
from benchmarks.studies.textbook_epoch import LOADER, OURS, RESIDENT, TextbookEpoch

# Has the interface of the textbook's package, and notes what it is called with.
PACKAGE = """
import torch

calls = []

def get_dataloader_workers():
    return 0

def train_ch6(net, train_iter, test_iter, num_epochs, lr, device):
    shapes = [[tuple(images.shape) for images, _ in each] for each in (train_iter, test_iter)]
    calls.append((type(train_iter).__name__, *shapes, num_epochs, lr))
    print("training on", device)
"""


def run(data_dir, results):
    given = ["--set=batch_size=8", "--set=rounds=6", "--device=cpu", f"--results={results}"]
    return cli.main(["study", "textbook_epoch", f"--data-dir={data_dir}", *given])


@pytest.fixture
def no_d2l(monkeypatch):
    for name in ("d2l", "d2l.torch"):
        monkeypatch.setitem(sys.modules, name, None)  # what the test imports is forgotten then
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def d2l(no_d2l, tmp_path, monkeypatch):
    (tmp_path / "d2l").mkdir()
    (tmp_path / "d2l" / "__init__.py").write_text("__version__ = '0'")
    (tmp_path / "d2l" / "torch.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    from d2l import torch as package

    return package


def test_every_loop_trains_and_tests_the_same_examples(d2l, small_fashion_mnist, tmp_path, capsys):
    assert run(small_fashion_mnist, tmp_path / "results") == 0
    assert len(d2l.calls) == 2 * 7  # an untimed epoch first
    for _, trained, tested, epochs, rate in d2l.calls:
        assert trained == [(8, 1, 28, 28)] * 3 + [(6, 1, 28, 28)]
        assert sum(count for count, *_ in tested) == 30
        assert (epochs, rate) == (1, 0.9)
    assert {loader for loader, *_ in d2l.calls} == {"DeviceLoader", "DataLoader"}
    study = TextbookEpoch("textbook_epoch")
    folder = tmp_path / "results" / "studies" / "textbook_epoch"
    rows = study.read(folder)
    assert rows["loop"].tolist() == [OURS, RESIDENT, LOADER]
    assert [len(seconds) for seconds in rows["seconds"]] == [6, 6, 6]
    assert (folder / "plots" / "textbook_epoch.png").exists()
    assert "training on" not in capsys.readouterr().out


def test_a_verdict_compares_the_times_of_an_epoch():
    seconds = np.array([1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06])
    rows = pd.DataFrame(
        {"loop": [OURS, RESIDENT, LOADER], "seconds": [seconds, 0.5 * seconds, 3 * seconds]}
    )
    faster, slower = TextbookEpoch("textbook_epoch").verdicts(rows)
    assert (faster.outcome, slower.outcome) == ("not supported", "supported")
    assert (faster.effect, slower.effect) == pytest.approx((0.5, 3.0))


def test_without_the_package_one_line_says_how_to_install_it(
    no_d2l, small_fashion_mnist, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "d2l", None)
    assert run(small_fashion_mnist, tmp_path / "results") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "pip install --no-deps d2l==0.17.6" in line


def test_the_published_package_trains(tmp_path):
    """On batches of our loader, so that a change of its interface shows."""
    pytest.importorskip("d2l.torch", reason="the package of the textbook is not installed")
    from benchmarks.studies.textbook_epoch import _train_ch6

    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    batches = [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 0]))] * 5
    before = net[1].weight.clone()
    main = sys.modules["__main__"]
    _train_ch6(net, 0.1, torch.device("cpu"), batches, batches)
    assert not torch.equal(net[1].weight, before)
    assert sys.modules["__main__"] is main
