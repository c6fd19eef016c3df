import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules import DataError
from datamodules.sources import fashion_mnist


@pytest.fixture
def small(write_fashion_mnist):
    """Files in the real format with two examples."""
    return write_fashion_mnist(np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28), [3, 9])


IMAGES = "FashionMNIST/raw/train-images-idx3-ubyte.gz"


def test_reads_the_format(small):
    dataset = fashion_mnist.load(small)
    assert dataset.train_images.shape == (2, 1, 28, 28)
    assert dataset.train_images.flatten().tolist() == [n % 256 for n in range(2 * 28 * 28)]
    assert dataset.test_labels.tolist() == [3, 9]
    assert dataset.source == "Fashion-MNIST (data folder)"


def test_reads_decompressed_files(small):
    path = small / IMAGES
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    assert len(fashion_mnist.load(small).train_images) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "is damaged"),
        (lambda path: path.write_bytes(b"<html>not found</html>"), "is damaged"),
        (lambda path: path.write_bytes(gzip.compress(b"another file")), ".*SHA-256 differs"),
        (lambda path: path.unlink(), "is missing"),
    ],
    ids=["truncated", "not gzip", "other content", "missing"],
)
def test_a_wrong_file_is_named(small, spoil, message):
    spoil(small / IMAGES)
    with pytest.raises(DataError, match=f"train-images-idx3-ubyte.gz {message}"):
        fashion_mnist.load(small)


def test_falls_back_to_the_folder_of_debians_package(small, tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", small / "FashionMNIST" / "raw")
    dataset = fashion_mnist.load(tmp_path / "empty")
    assert dataset.source == "Fashion-MNIST (Debian package dataset-fashion-mnist)"


def test_fetches_from_the_second_source_when_the_first_fails(small, tmp_path, monkeypatch):
    def unreachable(scratch):
        raise OSError("no route to host")

    def mirror(scratch):
        assert scratch.is_absolute()  # apt-get and dpkg-deb run in another folder
        return small / "FashionMNIST" / "raw"

    monkeypatch.setattr(fashion_mnist, "_from_torchvision", unreachable)
    monkeypatch.setattr(fashion_mnist, "_from_debian", mirror)
    monkeypatch.chdir(tmp_path)
    own = Path("own")
    assert len(fashion_mnist.load(own).train_labels) == 2
    assert sorted(p.name for p in own.rglob("*") if p.is_dir()) == ["FashionMNIST", "raw"]
    assert {p.name for p in own.rglob("*") if p.is_file()} == set(fashion_mnist.FILES)


def test_a_failed_download_leaves_no_files(small, tmp_path, monkeypatch):
    def damaged(scratch):
        (scratch / "train-images-idx3-ubyte").write_bytes(b"half")
        return scratch

    monkeypatch.setattr(fashion_mnist, "_from_torchvision", damaged)
    monkeypatch.setattr(fashion_mnist, "_from_debian", damaged)
    own = tmp_path / "own"
    with pytest.raises(DataError, match="could not be fetched .*put its four .gz files"):
        fashion_mnist.load(own)
    assert [p for p in own.rglob("*") if p.is_file()] == []


def test_the_real_dataset(fashion_mnist):
    assert fashion_mnist.train_images.shape == (60_000, 1, 28, 28)
    assert fashion_mnist.test_images.shape == (10_000, 1, 28, 28)
    assert torch.equal(fashion_mnist.train_labels.bincount(), torch.full((10,), 6_000))
    pixels = fashion_mnist.train_images / 255
    assert (pixels.mean().item(), pixels.std().item()) == pytest.approx((0.2860, 0.3530), abs=1e-4)
