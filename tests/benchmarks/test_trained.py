"""Weights and predictions that a run leaves, and what can be done with them."""

import shutil

import pytest
import safetensors.torch
import torch
from PIL import Image

import benchmarks
import datamodules
from benchmarks import cli, trained
from benchmarks.errors import UsageError
from benchmarks.execution.local import LocalExecutor
from benchmarks.execution.sweep import sweep
from benchmarks.planning.plan import RunOptions
from benchmarks.records.artifacts import read_predictions, weights_path
from benchmarks.records.record import OK
from benchmarks.records.store import RecordStore
from benchmarks.training import weights
from datamodules import DataError


@pytest.fixture
def run(make_spec, tmp_path):
    """Carries out a small run; returns the path of its record, and the record."""

    def run(model="lenet", keep_weights=True, **fields):
        store, spec = RecordStore(tmp_path / "results"), make_spec(model, **fields)
        executor = LocalExecutor(RunOptions(tmp_path, keep_weights=keep_weights))
        (record,) = sweep([spec], store, executor)
        assert record.status == OK, record.error
        return store.path(spec), record

    return run


def test_a_trained_net_makes_the_predictions_of_its_run(run, tmp_path):
    path, record = run()
    net = benchmarks.load_trained(path)
    assert not net.training
    assert weights.digest(net) == record.scores.weights_digest
    kept = read_predictions(path.parent.parent, record)
    dataset = datamodules.load("cifar10", tmp_path)
    files = []
    for number, image in enumerate(dataset.test_images):
        files.append(tmp_path / f"{number:02}.png")
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(files[-1])
    found = list(trained.predict(path, files))
    names = [kept.labels.classes[index] for index in kept.predicted]
    assert [prediction.name for prediction in found] == names
    confidences = [prediction.confidence for prediction in found]
    assert confidences == pytest.approx(kept.confidence.astype(float), abs=2e-3)
    from_weights = list(trained.predict(weights_path(path), files))
    assert from_weights == found


def test_no_weights_are_kept_where_none_are_wanted(run):
    path, _ = run(keep_weights=False)
    with pytest.raises(UsageError, match="--keep-weights false leaves none"):
        trained.load(path)


def test_a_wrong_file_is_named_in_one_line(run, tmp_path):
    path, _ = run()
    file = weights_path(path)
    whole = file.read_bytes()
    lies = {
        "is damaged": whole[:-8] + b"\1\2\3\4\5\6\7\0",
        "not a file of weights": whole[:-8],
        "of this suite left": safetensors.torch.save({"a": torch.zeros(2)}),
        "that a run": b"PK\3\4 a pickle, perhaps",
    }
    for message, content in lies.items():
        file.write_bytes(content)
        with pytest.raises(UsageError, match=message) as raised:
            trained.load(path)
        assert str(file) in str(raised.value)
        assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="no record in"):
        trained.load(tmp_path / "absent.json")
    with pytest.raises(UsageError, match="no weights in"):
        trained.load(tmp_path / "absent.safetensors")


def test_weights_of_another_run_are_refused(run):
    path, _ = run()
    other, _ = run(seed=1)
    shutil.copy(weights_path(other), weights_path(path))
    with pytest.raises(UsageError, match="weights of another run"):
        trained.load(path)


def test_a_disk_that_is_full_costs_the_weights_alone(make_spec, tmp_path, monkeypatch, capsys):
    def refuse(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "save_model", refuse)
    net = torch.nn.Linear(2, 2)
    spec, dataset = make_spec(), datamodules.load("cifar10", tmp_path)
    about = weights.TrainedNet.of(spec, dataset, weights.digest(net))
    weights.save(net, about, tmp_path / "w.safetensors")
    assert "No space left on device; the run goes on" in capsys.readouterr().err
    assert not list(tmp_path.glob("w.*"))


def test_predict_names_what_it_cannot_read_and_goes_on(run, tmp_path, capsys):
    path, _ = run()
    folder = tmp_path / "mine"
    folder.mkdir()
    Image.new("L", (90, 50), 128).save(folder / "grey.PNG")
    Image.new("RGBA", (20, 40)).save(folder / "clear.png")
    (folder / "text.png").write_text("no image")
    capsys.readouterr()
    assert cli.main(["predict", str(path), str(folder)]) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "text.png is not a readable image" in err
    assert isinstance(next(trained.predict(path, [folder / "text.png"])), DataError)
    with pytest.raises(UsageError, match="no image files in"):
        list(trained.predict(path, [path.parent]))


def test_a_training_starts_from_the_weights_of_a_run(run, make_spec, tmp_path):
    path, first = run(epochs=1)
    file = weights_path(path)
    fields = {"weights": file, "learning_rate": 1e-9, "clip_norm": 1e-9, "weight_decay": 0}
    _, second = run(epochs=1, **fields)
    assert second.setup.initial_weights.startswith(str(file))
    assert second.scores.test_accuracy == first.scores.test_accuracy
    spec = make_spec(epochs=1, weights=file)
    (moved := tmp_path / "moved.safetensors").write_bytes(file.read_bytes())
    assert make_spec(epochs=1, weights=moved).key == spec.key
    assert make_spec(epochs=1).key != spec.key


def test_only_the_last_layer_is_trained_on_frozen_features(run):
    path, _ = run("resnet20", epochs=1)
    before = benchmarks.load_trained(path).state_dict()
    path, _ = run("resnet20", epochs=1, weights=weights_path(path), freeze="features")
    after = benchmarks.load_trained(path).state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == list(before)[-2:]
