"""Images of one's own, from the command line to the table."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks import cli, trained
from benchmarks.run import train
from tests.benchmarks.conftest import InThisProcess

RUN = ("run", "--models", "lenet", "--protocol", "quick", "--device", "cpu")


@pytest.fixture
def shades(tmp_path):
    """Dark and bright images of several sizes, 30 and 15 of them."""
    random = np.random.default_rng(0)
    for label, start, count in (("dark", 0, 30), ("bright", 150, 15)):
        for number in range(count):
            path = tmp_path / "my shades" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(start, start + 100, (30 + number, 40, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(path)
    return tmp_path / "my shades"


@pytest.fixture
def command(shades, tmp_path, monkeypatch):
    """Runs a verb on the shades; returns its exit status."""
    monkeypatch.setattr("benchmarks.execution.local.LocalExecutor", InThisProcess)

    def run(verb, *arguments):
        folders = ("--results", tmp_path / "results", "--data-dir", tmp_path / "data")
        return cli.main([str(a) for a in (*verb, "--dataset", shades, *folders, *arguments)])

    return run


def test_a_net_learns_them(command, tmp_path, capsys):
    fields = ("--protocol.epochs", 8, "--protocol.batch_size", 8, "--protocol.image_size", 32)
    assert command(RUN, *fields) == 0
    output = capsys.readouterr().out
    assert re.search("train_examples: my-shades has [34].*, and all are used", output)
    (file,) = (tmp_path / "results" / "my-shades").glob("*/runs/*.json")
    record = json.loads(file.read_text())
    assert record["scores"]["test_accuracy"] > 0.9
    setup = record["setup"]
    assert setup["dataset"] == "my-shades"
    assert setup["data_source"].startswith("my-shades (PNG, split 80 : 20 by content, ")
    assert setup["settings"]["train_examples"] is None
    assert setup["settings"]["subset"] == "fixed"  # nothing is drawn
    assert 0.25 < setup["mean"][0] < 0.5
    assert command(RUN, *fields) == 0
    assert "lenet (seed 0): cached" in capsys.readouterr().out


def test_other_images_of_the_same_name_are_told_apart(command, shades, tmp_path, capsys):
    fields = ("--protocol.epochs", 1, "--protocol.image_size", 32, "--no-timing")
    assert command(RUN, *fields) == 0
    assert "other images of this name" not in capsys.readouterr().out
    for path in (shades / "dark").iterdir():
        path.rename(shades / "bright" / f"dark {path.name}")
    (shades / "bright" / "0.png").rename(shades / "dark" / "0.png")
    (shades / "bright" / "1.png").rename(shades / "dark" / "1.png")
    assert command(RUN, *fields) == 0
    assert "has runs on other images of this name too" in capsys.readouterr().out
    (folder,) = (tmp_path / "results" / "my-shades").glob("*/runs")
    assert len(list(folder.glob("*.json"))) == 2
    assert "1 older runs in `results.csv`" in (folder.parent / "table.md").read_text()


def test_damaged_files_are_named_and_then_left_out_and_counted(command, shades, tmp_path, capsys):
    (shades / "dark" / "0.png").write_bytes(b"x")
    (shades / "dark" / "1.png").write_bytes(b"y")
    fields = ("--protocol.epochs", 1, "--protocol.image_size", 32)
    assert command(RUN, *fields) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "my shades has" in line)
    assert "2 files that cannot be read: dark/0.png (not an image), dark/1.png" in line
    assert command(RUN, *fields, "--skip-damaged") == 0
    (file,) = (tmp_path / "results" / "my-shades").glob("*/runs/*.json")
    assert json.loads(file.read_text())["setup"]["skipped_files"] == 2


def test_what_was_found_is_shown(command, tmp_path, capsys):
    assert command(("data",), "--protocol.image_size", 32, "--protocol.fit", "pad") == 0
    output = capsys.readouterr().out
    assert "2 classes:\n  bright: " in output
    sheet = tmp_path / "results" / "my-shades" / "contact_sheet.png"
    assert f"written to {sheet}" in output
    with Image.open(sheet) as image:
        assert image.width > 12 * 64


@pytest.mark.parametrize("name", ["nowhere/pets", "pets.zip", "~/no/such/pets"])
def test_a_path_to_nothing(tmp_path, capsys, name):
    assert cli.main(["data", "--dataset", name, "--data-dir", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("cannot be read: No such file or directory")


def test_segmentation_needs_masks(command, capsys):
    assert command(("run", "--models", "unet")) == 2
    assert "unet is for segmentation" in capsys.readouterr().err


def test_classes_of_different_sizes_have_balanced_accuracy(command, shades, tmp_path):
    fields = ("--protocol.epochs", 1, "--protocol.image_size", 32, "--seeds", 3)
    assert command(RUN, *fields) == 0
    (file,) = (tmp_path / "results" / "my-shades").glob("*/runs/*.json")
    scores = json.loads(file.read_text())["scores"]
    assert 0 <= scores["test_balanced_accuracy"] <= 1
    table = (file.parents[1] / "table.md").read_text()
    assert "balanced acc.|" in table
    assert "**balanced acc.**: the mean" in table


class KeepsWeights(InThisProcess):
    def start(self, spec, checkpoint, previous=None):
        self.ended.append((spec, train(spec, self.options, checkpoint, previous=previous)))


def test_predict_knows_the_images_of_the_training(command, shades, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.execution.local.LocalExecutor", KeepsWeights)
    fields = ("--protocol.epochs", 8, "--protocol.batch_size", 8, "--protocol.image_size", 32)
    assert command(RUN, *fields, "--protocol.fit", "pad") == 0
    (file,) = (tmp_path / "results" / "my-shades").glob("*/runs/*.json")
    assert trained.load(file)[1].fit == "pad"
    capsys.readouterr()
    assert cli.main(["predict", str(file), str(shades)]) == 0
    lines = capsys.readouterr().out.splitlines()
    right = sum(line.rpartition("/")[0].rpartition("/")[2] in line.split(": ")[1] for line in lines)
    assert len(lines) == 45
    assert right > 40
