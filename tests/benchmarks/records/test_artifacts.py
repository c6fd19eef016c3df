import dataclasses

import numpy as np
import pytest

from benchmarks.records.artifacts import Predictions, read_predictions, run_name
from benchmarks.records.store import RecordStore
from tests.runs import record_of

CLASSES = ("cat", "dog", "Häßliches Entlein")


def made(predicted=(0, 2, 1, 2), true=(0, 2, 2, 2), classes=CLASSES):
    confidence = np.linspace(0.4, 1, len(predicted))
    return Predictions.of(np.array(predicted), confidence, np.array(true), classes)


def digests(predictions):
    labels = predictions.labels
    return {
        "predictions_digest": predictions.digest,
        "labels_digest": labels.digest if labels else None,
    }


@pytest.fixture
def written(make_spec, tmp_path):
    """Writes the record of a run that made predictions; returns the folder and the record."""

    def write(predictions, seed=0):
        spec, store = make_spec(seed=seed), RecordStore(tmp_path)
        record = record_of(spec, predictions=predictions, **digests(predictions))
        return tmp_path / spec.folder, store.write(spec, record)

    return write


def test_predictions_are_read_back(written):
    folder, record = written(made())
    assert record.predictions is None  # not in the JSON file
    found = read_predictions(folder, record)
    assert found.predicted.tolist() == [0, 2, 1, 2]
    assert found.predicted.dtype == np.uint8
    assert found.confidence.dtype == np.float16
    assert found.correct.tolist() == [True, True, False, True]
    assert found.labels.classes == CLASSES


def test_many_classes_take_two_bytes(written):
    classes = tuple(map(str, range(300)))
    folder, record = written(made((299, 0), (298, 0), classes))
    found = read_predictions(folder, record)
    assert found.predicted.tolist() == [299, 0]
    assert found.predicted.dtype == np.uint16


def test_a_segmentation_leaves_a_confusion_matrix(written):
    folder, record = written(Predictions(confusion=np.array([[5, 1], [0, 7]])))
    found = read_predictions(folder, record)
    assert found.confusion.tolist() == [[5, 1], [0, 7]]
    with pytest.raises(ValueError, match="segmentation"):
        _ = found.correct


def test_runs_of_a_comparison_share_their_labels(written):
    _, first = written(made())
    _, second = written(made(predicted=(1, 1, 1, 1)), seed=1)
    assert first.scores.labels_digest == second.scores.labels_digest
    assert first.scores.predictions_digest != second.scores.predictions_digest


def test_a_damaged_file_is_named_and_set_aside(written, capsys):
    folder, record = written(made())
    path = folder / "predictions" / f"{run_name(record.setup)}.npz"
    whole = path.read_bytes()
    for damaged in (whole[:-30], b"", b"\0" * 100, whole.replace(b"predicted", b"prejudice")):
        path.write_bytes(damaged)
        assert read_predictions(folder, record) is None
        assert f"{path} is damaged" in capsys.readouterr().err
        assert not path.exists()


def test_predictions_of_another_run_are_refused(written, capsys):
    folder, record = written(made())
    _, other = written(made(predicted=(1, 1, 1, 1)), seed=1)
    folder = folder / "predictions"
    (folder / f"{run_name(other.setup)}.npz").rename(folder / f"{run_name(record.setup)}.npz")
    assert read_predictions(folder.parent, record) is None
    assert "not that of the record" in capsys.readouterr().err


def test_a_missing_file_is_named(written, capsys):
    folder, record = written(made())
    path = folder / "predictions" / f"{run_name(record.setup)}.npz"
    path.unlink()
    assert read_predictions(folder, record) is None
    assert f"{path} cannot be read" in capsys.readouterr().err


def test_an_older_record_has_none(written):
    folder, record = written(made())
    scores = dataclasses.replace(record.scores, predictions_digest=None)
    assert read_predictions(folder, dataclasses.replace(record, scores=scores)) is None
