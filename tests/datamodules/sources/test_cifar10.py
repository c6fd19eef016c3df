import hashlib
import os
import pickle
import shutil
import socket
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from datamodules import DataError
from datamodules.sources import cifar10, network


def load(images, tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR10_IMAGES", str(images))
    return cifar10.load(tmp_path / "data")


@pytest.fixture
def folder(image_folder, tmp_path):
    return shutil.copytree(image_folder, tmp_path / "images")


@pytest.fixture(params=["folder", "tar.xz", "tar.gz", "zip"])
def source(request, folder, tmp_path):
    if request.param == "folder":
        return folder
    path = tmp_path / f"images.{request.param}"
    if request.param == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.rglob("*.png"):
                archive.write(file, file.relative_to(folder))
    else:
        with tarfile.open(path, f"w:{request.param[4:]}") as archive:
            archive.add(folder, "cifar")
    return path


def test_a_folder_or_archive_is_decoded_once(source, small_dataset, tmp_path, monkeypatch, capsys):
    for is_cached in (False, True):
        dataset = load(source, tmp_path, monkeypatch)
        assert dataset.source == "CIFAR-10 (PNG, 80 + 40)"
        assert torch.equal(dataset.train_images, small_dataset.train_images)
        assert torch.equal(dataset.test_labels, small_dataset.test_labels)
        assert dataset.digest == small_dataset.digest
        error = capsys.readouterr().err
        assert error == "" if is_cached else "(once)" in error


def test_jpeg_files(folder, small_dataset, tmp_path, monkeypatch):
    for file in folder.glob("test/*/*.png"):
        with Image.open(file) as image:
            image.save(file.with_suffix(".JPG"), "JPEG", quality=95)
        file.unlink()
    dataset = load(folder, tmp_path, monkeypatch)
    assert dataset.source == "CIFAR-10 (JPEG and PNG, 80 + 40)"
    assert torch.equal(dataset.test_labels, small_dataset.test_labels)
    difference = dataset.test_images.float() - small_dataset.test_images.float()
    assert difference.mean((2, 3)).abs().max() < 2


def test_changed_content_is_decoded_again(folder, tmp_path, monkeypatch):
    before = load(folder, tmp_path, monkeypatch)
    Image.new("RGB", (32, 32), "white").save(folder / "train" / "cat" / "9999.png")
    after = load(folder, tmp_path, monkeypatch)
    assert len(after.train_labels) == len(before.train_labels) + 1
    assert after.digest != before.digest


def test_a_damaged_cache_is_quarantined(folder, tmp_path, monkeypatch):
    first = load(folder, tmp_path, monkeypatch)
    (cache,) = (tmp_path / "data").glob("*.pt")
    damaged = cache.read_bytes()[:100]
    cache.unlink()  # a file that is mapped is not cut
    cache.write_bytes(damaged)
    assert torch.equal(load(folder, tmp_path, monkeypatch).train_images, first.train_images)
    assert cache.with_name(f"{cache.name}.damaged").read_bytes() == damaged


def test_nothing_is_written_beside_the_images(source, tmp_path, monkeypatch):
    before = sorted(tmp_path.rglob("*"))
    load(source, tmp_path, monkeypatch)
    assert [path.name for path in (tmp_path / "data").iterdir()]
    shutil.rmtree(tmp_path / "data")
    assert sorted(tmp_path.rglob("*")) == before


def test_data_that_cannot_be_cached_are_decoded_each_time(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "data").write_text("in the way")
    for _ in range(2):
        assert len(load(folder, tmp_path, monkeypatch).train_labels) == 80
    assert capsys.readouterr().err.count("(once)") == 2


def test_the_cache_depends_on_contents_alone(folder, tmp_path, monkeypatch, capsys):
    file = folder / "train" / "cat" / "0000.png"
    load(folder, tmp_path, monkeypatch)
    capsys.readouterr()
    os.utime(file, (0, 0))
    file.rename(file.with_name("0000a.png"))  # the same place in the order
    load(folder, tmp_path, monkeypatch)
    assert capsys.readouterr().err == ""
    changed = folder / "train" / "dog" / "0001.png"
    times = changed.stat()
    changed.write_bytes(changed.with_name("0002.png").read_bytes())
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    load(folder, tmp_path, monkeypatch)
    assert "(once)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda f: (f / "train/cat/0000.png").write_bytes(b"no image"),
            r"1 file that cannot be read: train/cat/0000.png \(not an image\)",
        ),
        (
            lambda f: Image.new("RGB", (40, 30)).save(f / "test/dog/0000.png"),
            r"1 file that cannot be read: test/dog/0000.png \(40 x 30 px, not 32 x 32\)",
        ),
        (
            lambda f: (f / "train/cat").rename(f / "train/lion"),
            "1 unknown class: lion; 1 class without a training image: cat",
        ),
        (lambda f: shutil.rmtree(f / "test"), "has train/ but no test/"),
        (lambda f: shutil.rmtree(f / "train" / "cat"), "1 class without a training image: cat"),
        (
            lambda f: (shutil.rmtree(f / "train/cat"), (f / "train/cat").mkdir()),
            "1 class without a training image: cat",
        ),
    ],
)
def test_errors_of_an_image_folder_are_named(folder, tmp_path, monkeypatch, spoil, message):
    spoil(folder)
    with pytest.raises(DataError, match=message):
        load(folder, tmp_path, monkeypatch)


def test_a_truncated_archive(folder, tmp_path, monkeypatch):
    path = tmp_path / "images.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        archive.add(folder, "cifar")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match="images.tar.xz is truncated"):
        load(path, tmp_path, monkeypatch)


def test_a_missing_source(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="nowhere cannot be read: No such file"):
        load(tmp_path / "nowhere", tmp_path, monkeypatch)


def test_home_folders(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load("~/images", tmp_path, monkeypatch).train_labels) == 80


def test_a_proxy_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    monkeypatch.delenv("CIFAR10_IMAGES", raising=False)
    monkeypatch.setattr(network, "STALLED_SECONDS", 0.2)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begin = time.monotonic()
        with pytest.raises(DataError, match=r"could not be fetched \(.*timed out.*CIFAR10_IMAGES"):
            cifar10.load(tmp_path)
    assert time.monotonic() - begin < 30
    assert socket.getdefaulttimeout() is None


@pytest.fixture
def official(tmp_path, monkeypatch):
    """An archive in the official format with 10 images a batch, and matching MD5 sums."""
    data_dir, folder = tmp_path / "data", tmp_path / "build" / "cifar-10-batches-py"
    data_dir.mkdir()
    folder.mkdir(parents=True)
    random, sums = np.random.default_rng(0), {}
    names = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch", "batches.meta"]
    for name in names:
        pixels = random.integers(0, 256, (10, 3072)).astype(np.uint8)
        content = {"data": pixels, "labels": list(range(10)), "label_names": list(cifar10.CLASSES)}
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    archive = data_dir / cifar10.ARCHIVE
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, cifar10.FOLDER)
    theirs = torchvision.datasets.CIFAR10
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(theirs, "train_list", [[name, sums[name]] for name in names[:5]])
    monkeypatch.setattr(theirs, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(theirs, "meta", {**theirs.meta, "md5": sums["batches.meta"]})
    monkeypatch.delenv("CIFAR10_IMAGES", raising=False)
    return data_dir


def test_the_official_archive(official):
    dataset = cifar10.load(official)
    assert dataset.source == "CIFAR-10 (official)"
    assert dataset.train_images.shape == (50, 3, 32, 32)
    assert dataset.test_labels.tolist() == list(range(10))
    assert torch.equal(cifar10.load(official).train_images, dataset.train_images)


def test_a_truncated_official_archive(official):
    archive = official / cifar10.ARCHIVE
    archive.write_bytes(archive.read_bytes()[:-10])
    with pytest.raises(DataError, match="cifar-10-python.tar.gz is truncated or corrupt"):
        cifar10.load(official)


def test_a_damaged_official_folder(official):
    cifar10.load(official)
    for cache in official.glob("*.pt"):
        cache.unlink()
    (official / cifar10.FOLDER / "data_batch_3").write_bytes(b"")
    with pytest.raises(DataError, match="cifar-10-batches-py is damaged"):
        cifar10.load(official)


@pytest.mark.slow
@pytest.mark.skipif("CIFAR10_JPEG" not in os.environ, reason="CIFAR10_JPEG names no archive")
def test_all_of_cifar10_as_jpeg(tmp_path, monkeypatch):
    path = tmp_path / "images.tar.xz"
    path.symlink_to(Path(os.environ["CIFAR10_JPEG"]).resolve())
    dataset = load(path, tmp_path, monkeypatch)
    assert dataset.source == "CIFAR-10 (JPEG)"
    assert torch.equal(dataset.train_labels.bincount(), torch.full((10,), 5_000))
    mean = (dataset.train_images / 255).mean((0, 2, 3))
    torch.testing.assert_close(mean, torch.tensor(cifar10.MEAN), atol=1e-3, rtol=0)
