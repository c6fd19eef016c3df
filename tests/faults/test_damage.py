"""Files that are damaged, in every format, anywhere: named, set aside, and never believed."""

import random
import shutil
from pathlib import Path

import pytest

import datamodules
from benchmarks import cli
from benchmarks.planning.protocol import FOLDER
from benchmarks.records.store import RecordStore, load
from benchmarks.report.rebuild import rebuild as rebuild_report
from benchmarks.training.checkpoint_file import CheckpointFile
from datamodules import DataError
from tests.faults.conftest import numbers
from tests.faults.saboteur import Fault

STEP = "lit_models.classifier:LitClassifier.training_step"


def flip_bit(content, random):
    position = random.randrange(len(content))
    flipped = content[position] ^ 1 << random.randrange(8)
    return content[:position] + bytes([flipped]) + content[position + 1 :]


def truncate(content, random):
    return content[: random.randrange(len(content))]


def overwrite(content, random):
    """A block of a disk that never came to be written."""
    position = random.randrange(len(content))
    block = bytes(min(512, len(content) - position))
    return content[:position] + block + content[position + len(block) :]


DAMAGES = (flip_bit, truncate, overwrite)


def damaged(content, number):
    """Damage of one kind after the other, each time elsewhere."""
    return DAMAGES[number % len(DAMAGES)](content, random.Random(number))


@pytest.fixture(scope="module")
def finished(run_sweep, reference, tmp_path_factory):
    """A results folder of a sweep that nothing befell."""
    results = tmp_path_factory.mktemp("finished")
    run_sweep(results)
    return results


@pytest.fixture
def results(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "results")


def test_a_damaged_record_is_set_aside_and_never_believed(
    results, specs, reference, counted, capsys
):
    store, folder = RecordStore(results), results / specs[0].folder
    path = store.path(specs[0])
    content = path.read_bytes()
    for number in range(150):
        counted()
        damage = damaged(content, number)
        path.write_bytes(damage)
        found = {record.setup.seed: numbers(record) for record in load(folder)}
        assert found[1] == reference[1]
        if 0 in found:  # such as a space in place of a line's end
            assert found[0] == reference[0]
        else:
            assert capsys.readouterr().err.count("\n") == 1
            (kept,) = path.parent.glob("*.damaged*")
            assert kept.read_bytes() == damage
            assert not path.exists()
            kept.unlink()


def test_damage_upon_damage_is_all_kept(results, specs, counted):
    path = RecordStore(results).path(specs[0])
    for number in range(3):
        counted()
        path.write_text(f"no record, {number}")
        assert RecordStore(results).find(specs[0]) is None
    assert len(list(path.parent.glob("*.damaged*"))) == 3


def test_a_run_whose_record_is_damaged_is_done_again(run_sweep, results, specs, check, counted):
    counted()
    path = RecordStore(results).path(specs[1])
    path.write_bytes(truncate(path.read_bytes(), random.Random(0)))
    run_sweep(results)
    check(results)


def test_a_damaged_checkpoint_is_set_aside_and_never_loaded(
    run_sweep, specs, check, tmp_path, counted, capfd
):
    run_sweep(tmp_path, Fault(STEP, 9), specs=specs[:1], checkpoint_seconds=0.0)
    path = RecordStore(tmp_path).checkpoint(specs[0])
    content = path.read_bytes()
    assert CheckpointFile(path).find() is not None
    for number in range(100):
        counted()
        path.write_bytes(damaged(content, number))
        if path.read_bytes() == content:  # zeros upon zeros
            continue
        capfd.readouterr()
        assert CheckpointFile(path).find() is None
        assert "is damaged" in capfd.readouterr().err
        (kept,) = path.parent.glob("*.damaged*")
        kept.rename(path)
    run_sweep(tmp_path)
    check(tmp_path)
    assert len(list(path.parent.glob("*.damaged*"))) == 1


def test_a_damaged_protocol_is_refused_in_one_line_or_is_another(tmp_path, counted, capsys):
    path = tmp_path / "mine.yaml"
    content = (FOLDER / "quick.yaml").read_bytes()
    for number in range(150):
        counted()
        path.write_bytes(damaged(content, number))
        # An unknown model ends the command before anything runs, once the protocol is read.
        assert cli.main(["run", "--protocol", str(path), "--models", "no_such_model"]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_damaged_images_are_never_taken_for_others(
    image_folder, tmp_path, monkeypatch, counted, capsys
):
    """Damage that goes unseen by the format changes the digest of the data, and so the key."""
    archive = shutil.make_archive(tmp_path / "images", "zip", image_folder)
    content = Path(archive).read_bytes()
    monkeypatch.setenv("CIFAR10_IMAGES", archive)
    whole = datamodules.load("cifar10", tmp_path / "data")
    for number in range(30):
        counted()
        Path(archive).write_bytes(damaged(content, number))
        try:
            found = datamodules.load("cifar10", tmp_path / "data")
        except DataError:
            continue
        is_same = all(
            getattr(found, name).equal(getattr(whole, name))
            for name in ("train_images", "train_labels", "test_images", "test_labels")
        )
        assert is_same == (found.digest == whole.digest)


def test_a_damaged_cache_of_decoded_images_is_decoded_anew(
    image_folder, tmp_path, monkeypatch, counted, capsys
):
    archive = shutil.make_archive(tmp_path / "images", "zip", image_folder)
    monkeypatch.setenv("CIFAR10_IMAGES", archive)
    whole = datamodules.load("cifar10", tmp_path / "data")
    (cache,) = (tmp_path / "data").glob("*.pt")
    content = cache.read_bytes()
    for number in range(60):
        counted()
        cache.unlink()
        cache.write_bytes(damaged(content, number))
        found = datamodules.load("cifar10", tmp_path / "data")
        assert found.digest == whole.digest
        assert found.train_images.equal(whole.train_images)
        assert found.test_labels.equal(whole.test_labels)


def test_a_damaged_data_file_is_refused_in_one_line(data_dir, fashion_mnist, tmp_path, counted):
    source = data_dir / "FashionMNIST"
    if not source.is_dir():
        pytest.skip("Fashion-MNIST is not in the data folder")
    copy = shutil.copytree(source, tmp_path / "FashionMNIST")
    path = next(copy.rglob("t10k-labels*"))
    content = path.read_bytes()
    for number in range(30):
        path.write_bytes(damaged(content, number))
        if path.read_bytes() == content:
            continue
        counted()
        try:
            found = datamodules.load("fashion_mnist", tmp_path)
        except DataError:
            continue
        # A byte of the header of gzip that means nothing.
        assert found.test_labels.equal(fashion_mnist.test_labels)


def test_the_report_of_a_damaged_folder_shows_the_rest(results, specs, counted, capsys):
    counted()
    RecordStore(results).path(specs[0]).write_bytes(b"\xff\xfe")
    (results / ".identity").write_bytes(b"\xff\xfe")
    assert cli.main(["report", "--results", str(results)]) == 0
    captured = capsys.readouterr()
    assert "\ntiny " in captured.out
    assert len(captured.err.strip().splitlines()) == 1
    assert rebuild_report(results / specs[0].folder)
