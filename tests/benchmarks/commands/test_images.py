import dataclasses
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks import cli
from benchmarks.analysis.evidence import Evidence
from benchmarks.commands.images import _nets
from benchmarks.records.artifacts import Predictions
from benchmarks.records.store import RecordStore
from tests.runs import record_of

HARD = 5  # the first images, which no net gets right


@pytest.fixture
def results(make_spec, small_dataset, tmp_path):
    """Two seeds of two nets on 40 images: the first net is wrong about 10 to 19, the other 30+."""
    true = small_dataset.test_labels.numpy()
    for model, wrong in (("lenet", range(10, 20)), ("resnet18", range(30, 40))):
        for seed in (0, 1):
            _write(make_spec(model, seed), tmp_path, _predicted(true, wrong, seed), small_dataset)
    return tmp_path


def _predicted(true, wrong, seed):
    """The next class for these images and for those that are hard, and for one more a seed."""
    is_wrong = np.isin(np.arange(len(true)), [*range(HARD), *wrong, 20 + seed])
    return np.where(is_wrong, (true + 1) % 10, true)


def _write(spec, root, predicted, dataset, true=None):
    true = dataset.test_labels.numpy() if true is None else true
    kept = Predictions.of(predicted, np.linspace(0.5, 0.99, len(true)), true, dataset.classes)
    record = record_of(
        spec,
        test_accuracy=float(kept.correct.mean()),
        evaluated_examples=len(true),
        predictions_digest=kept.digest,
        labels_digest=kept.labels.digest,
    )
    RecordStore(root).write(spec, dataclasses.replace(record, predictions=kept))


def images(results, *arguments):
    return cli.main(["images", *arguments, "--dataset=cifar10", f"--results={results}"])


def texts(path):
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.with_suffix(".svg").read_text())


def test_sheets_name_and_show_the_images(results, small_dataset, capsys):
    assert images(results, "lenet", "resnet18") == 0
    plots = results / "cifar10" / "small" / "plots"
    sheets = {path.stem for path in plots.glob("*.png")}
    of_two = {"confidently_wrong_resnet18", "separating_lenet_resnet18"}
    assert sheets == {"hardest", "confidently_wrong_lenet", *of_two}
    assert capsys.readouterr().out.count("\n") == 4
    written = texts(plots / "separating_lenet_resnet18.png")
    for right, wrong in (("lenet", "resnet18"), ("resnet18", "lenet")):
        assert f"{right} right, {wrong} wrong in every run: 10 of 40 test images" in written
    classes = small_dataset.classes
    # Image 39, of the last class, is the one about which resnet18 is most confidently wrong.
    first = written.index("lenet right, resnet18 wrong in every run: 10 of 40 test images") + 1
    assert written[first : first + 2] == [classes[9], f"{classes[0]} 0.99 2/2"]
    hardest = texts(plots / "hardest.png")
    assert f"wrong in every run of every model: {HARD} of 40 test images" in hardest
    assert sum(text.endswith("4/4") for text in hardest) == HARD
    assert np.ptp(np.asarray(Image.open(plots / "hardest.png").convert("RGB"))) > 100


def test_one_model_has_its_own_sheets(results, capsys):
    assert images(results, "resnet18") == 0
    assert capsys.readouterr().out.endswith("name a second one of lenet\n")
    plots = results / "cifar10" / "small" / "plots"
    assert {path.stem for path in plots.glob("*.png")} == {"hardest", "confidently_wrong_resnet18"}


def test_the_two_best_are_compared_if_none_is_named(results, make_spec, small_dataset):
    true = small_dataset.test_labels.numpy()
    _write(make_spec("googlenet"), results, (true + 1) % 10, small_dataset)
    found = Evidence.load(results / "cifar10" / "small")
    assert sorted(_nets(found, [])) == ["lenet", "resnet18"]


def refused(capsys, results, *arguments):
    assert images(results, *arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_what_cannot_be_drawn_is_said_in_one_line(results, make_spec, small_dataset, capsys):
    assert "did you mean lenet" in refused(capsys, results, "lnet")
    assert "named twice" in refused(capsys, results, "lenet", "lenet")
    spec = make_spec("googlenet")
    RecordStore(results).write(spec, record_of(spec, test_accuracy=0.5))
    assert "googlenet left no predictions" in refused(capsys, results, "googlenet")


def test_predictions_of_other_images_are_refused(make_spec, small_dataset, tmp_path, capsys):
    true = small_dataset.test_labels.numpy()[::-1].copy()
    _write(make_spec("lenet"), tmp_path, true, small_dataset, true)
    assert "are not those that" in refused(capsys, tmp_path)


def test_predictions_of_held_out_images_are_refused(make_spec, small_dataset, tmp_path, capsys):
    spec = make_spec("lenet", validation_examples=8)
    _write(spec, tmp_path, small_dataset.test_labels.numpy(), small_dataset)
    assert "held-out" in refused(capsys, tmp_path)


def test_runs_without_predictions_are_refused(make_spec, tmp_path, capsys):
    spec = make_spec("lenet")
    RecordStore(tmp_path).write(spec, record_of(spec, test_accuracy=0.5))
    assert "no model left predictions" in refused(capsys, tmp_path)
