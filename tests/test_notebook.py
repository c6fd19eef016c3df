import io
import shutil

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from IPython import display
from matplotlib.colors import to_rgb
from PIL import Image

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.records import store
from benchmarks.report import notebook
from benchmarks.report.style import LINE_COLORS, look
from tests.conftest import ROOT

PATH = ROOT / "notebooks" / "results.ipynb"
SHIPPED = ROOT / "results" / "reference"
MOST_BYTES = 600_000


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Copies some of the shipped results, by the start of their runs' names."""
    for name in ("RESULTS", "DATASET", "PROTOCOL"):
        monkeypatch.delenv(name, raising=False)

    def copy(comparison, start="", studies=()):
        for room in ("runs", "predictions"):
            (tmp_path / comparison / room).mkdir(parents=True)
            for path in (SHIPPED / comparison / room).glob(f"{start}*"):
                shutil.copy(path, tmp_path / comparison / room)
        for study in studies:
            shutil.copytree(SHIPPED / "studies" / study, tmp_path / "studies" / study)
        return tmp_path

    return copy


@pytest.fixture
def shown(monkeypatch):
    """Runs the cells in this process; returns what they display."""

    def run(**variables):
        found = []
        monkeypatch.setattr(display, "display", found.append)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        names = {}
        for cell in nbformat.read(PATH, as_version=4).cells:
            if cell.cell_type == "code":
                exec(cell.source, names)
        return found

    return run


def sentences(found):
    return [each.data for each in found if isinstance(each, display.Markdown)]


def outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    return [output for cell in cells for output in cell.get("outputs", [])]


def pictures(path):
    return [output for output in outputs(path) if "image/png" in output.get("data", {})]


@pytest.mark.slow
def test_an_executed_copy_lies_beside_the_results(results, capfd):
    root = results("fashion_mnist/quick", studies=["kernel_size", "effective_receptive_field"])
    before = PATH.read_bytes()
    assert cli.main(["notebook", f"--results={root}"]) == 0
    copy = root / "fashion_mnist" / "quick" / "results.ipynb"
    assert f"written to {copy}" in capfd.readouterr().out
    assert PATH.read_bytes() == before
    assert not any(output.output_type == "error" for output in outputs(copy))
    assert len(pictures(copy)) == 5
    assert copy.stat().st_size < MOST_BYTES


def test_the_tracked_one_shows_the_shipped_results():
    assert len(pictures(PATH)) == 5
    assert PATH.stat().st_size < MOST_BYTES
    text = str(outputs(PATH))
    for record in store.load(SHIPPED / "fashion_mnist" / "quick"):
        assert record.setup.model in text


def test_one_run_without_studies(results, shown):
    root = results("fashion_mnist/quick", "lenet-seed0")
    said = sentences(shown(RESULTS=root))
    (record,) = store.load(root / "fashion_mnist" / "quick")
    assert f"**lenet** has a test accuracy of {record.scores.test_accuracy:.3f}." in said
    assert "A claim needs two nets, and only lenet was trained." in said
    assert any("make study STUDY=kernel_size" in each for each in said)


def test_masks(results, shown):
    said = sentences(
        shown(RESULTS=results("fashion_mnist_masks/quick"), DATASET="fashion_mnist_masks")
    )
    assert any("counts pixels" in each for each in said)
    assert any(" test mean IoU" in each for each in said)


def test_a_missing_comparison_ends_in_one_line(tmp_path, capsys):
    assert cli.main(["notebook", f"--results={tmp_path}"]) == 2
    lines = capsys.readouterr().err.splitlines()
    lines = [line for line in lines if not line.startswith("benchmarks: ignored")]  # variables
    known = f"no records of fashion_mnist in {tmp_path}; `make bench` makes them"
    assert lines == [f"benchmarks: {known}"]


def test_which_comparison_is_shown(results, monkeypatch):
    """One's own if it is there, or else the shipped one, and `quick` of several."""
    root = results("fashion_mnist/quick", "lenet-seed0")
    monkeypatch.setattr(notebook, "ROOT", root)
    shipped = root / "results" / "reference"
    for protocol in ("quick", "d2l"):
        shutil.copytree(root / "fashion_mnist" / "quick", shipped / "fashion_mnist" / protocol)
    assert notebook.comparison() == shipped / "fashion_mnist" / "quick"
    own = root / "results" / "fashion_mnist" / "standard"
    shutil.copytree(root / "fashion_mnist" / "quick", own)
    assert notebook.comparison() == own
    assert notebook.comparison(protocol="d2l") == shipped / "fashion_mnist" / "d2l"
    with pytest.raises(UsageError, match="unknown protocol 'd2l'"):
        notebook.comparison(str(root / "results"), protocol="d2l")


def test_a_palette_keeps_the_colors_of_few_pixels():
    with look():
        figure, axes = plt.subplots()
        axes.imshow(np.linspace(0, 1, 10_000).reshape(100, 100), cmap="magma")
        for place, color in enumerate(LINE_COLORS):
            axes.plot(10 * place, 50, "o", ms=6, color=color)
    with Image.open(io.BytesIO(notebook.small_png(figure))) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    plt.close(figure)
    for color in LINE_COLORS:
        own = np.array([round(255 * each) for each in to_rgb(color)])
        assert np.abs(pixels - own).max(axis=1).min() < 10
