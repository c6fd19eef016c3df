import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import datamodules
from datamodules import DataError, DatasetRequest
from datamodules.contact_sheet import COLUMNS, contact_sheet
from datamodules.sources import cache
from datamodules.sources.own_images import statistics
from datamodules.summary import summary


@pytest.fixture
def signs(tmp_path) -> Path:
    """Red `stop` and blue `go` signs of several sizes, 30 each."""
    for label, colour in (("stop", (200, 30, 30)), ("go", (30, 30, 200))):
        for number in range(30):
            path = tmp_path / "my signs" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 40, (20 + number, 30, 3))
            Image.fromarray((pixels + colour).astype(np.uint8)).save(path)
    return tmp_path / "my signs"


@pytest.fixture
def request_(signs):
    return DatasetRequest(str(signs), image_size=16)


def test_a_folder_is_a_dataset(request_, tmp_path):
    dataset = datamodules.load(request_, tmp_path / "data")
    assert dataset.name == "my-signs"
    assert dataset.classes == ("go", "stop")
    train, test = len(dataset.train_labels), len(dataset.test_labels)
    assert train + test == 60
    assert dataset.source == f"my-signs (PNG, split 80 : 20 by content, {train} + {test})"
    assert dataset.train_images.shape == (train, 3, 16, 16)
    red = dataset.test_images[dataset.test_labels == 1].float().mean((0, 2, 3))
    assert red[0] > 200 > 60 > red[2]


def test_mean_and_deviation_are_those_of_the_training_images(request_, tmp_path):
    dataset = datamodules.load(request_, tmp_path / "data")
    pixels = dataset.train_images.double() / 255
    mean = pixels.mean((0, 2, 3))
    torch.testing.assert_close(torch.tensor(dataset.mean).double(), mean, rtol=1e-5, atol=1e-5)
    deviation = pixels.std((0, 2, 3), correction=0)
    torch.testing.assert_close(torch.tensor(dataset.std).double(), deviation, rtol=1e-5, atol=1e-5)


def test_a_channel_of_one_value_can_be_normalised():
    assert statistics(torch.full((3, 1, 4, 4), 255, dtype=torch.uint8)) == ([1.0], [1.0])


def test_the_key_serves_the_images_without_their_files(request_, signs, tmp_path, capsys):
    first = datamodules.load(request_, tmp_path / "data")
    assert "(once)" in capsys.readouterr().err
    shutil.rmtree(signs)
    again = datamodules.load(replace(request_, key=first.files.key), tmp_path / "data")
    assert torch.equal(again.train_images, first.train_images)
    assert again.digest == first.digest
    assert capsys.readouterr().err == ""
    with pytest.raises(DataError, match="cannot be read: No such file"):
        datamodules.load(replace(request_, key=first.files.key), tmp_path / "elsewhere")


def test_settings_of_decoding_have_caches_of_their_own(request_, tmp_path):
    digests = {
        datamodules.load(replace(request_, **change), tmp_path).digest
        for change in ({}, {"image_size": 20}, {"fit": "pad"}, {"fit": "stretch"})
    }
    assert len(digests) == 4
    assert len(list(tmp_path.glob("*.pt"))) == 4


def test_files_left_out_are_counted(request_, signs, tmp_path):
    (signs / "go" / "0.png").write_bytes(b"x")
    with pytest.raises(DataError, match="1 file that cannot be read: go/0.png"):
        datamodules.load(request_, tmp_path)
    dataset = datamodules.load(replace(request_, skip_damaged=True), tmp_path)
    assert dataset.files.skipped == ("go/0.png (not an image)",)
    assert dataset.source.endswith(", 1 damaged file left out)")
    assert "left out: go/0.png (not an image)" in summary(dataset)


def test_nothing_is_written_beside_the_images(request_, signs, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    datamodules.load(request_, tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_summary_says_what_was_found(request_, signs, tmp_path):
    Image.new("RGB", (50, 21)).save(signs / "stop" / "a.webp")
    text = summary(datamodules.load(request_, tmp_path))
    assert "2 classes:\n  go: " in text
    assert "formats: PNG 60, WEBP 1" in text
    assert "sizes in px: 30 to 50 x 20 to 49" in text


def test_the_contact_sheet_shows_the_images_of_each_class(request_, tmp_path):
    dataset = datamodules.load(request_, tmp_path)
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(dataset, 16))).convert("RGB"))
    middle = (len(sheet) + 20) // 2  # below the names of the splits
    coloured = sheet.astype(int)
    go, stop = ((part[..., 2] - part[..., 0]) for part in (coloured[:middle], coloured[middle:]))
    area = 64 * 64 * sum(COLUMNS.values())
    assert (go > 100).sum() == pytest.approx(area, rel=0.05)
    assert (stop < -100).sum() == pytest.approx(area, rel=0.05)


def test_the_contact_sheet_of_masks(small_fashion_mnist):
    dataset = datamodules.load("fashion_mnist_masks", small_fashion_mnist)
    assert contact_sheet(dataset, 28).startswith(b"\x89PNG")


@pytest.fixture
def little_memory(monkeypatch):
    """Room for a few images of 16 px while they are decoded."""
    monkeypatch.setattr("datamodules.sources.spool.MAX_IN_MEMORY", 5000)


def test_images_that_do_not_fit_in_memory_are_decoded_on_disk(
    request_, tmp_path, little_memory, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr("datamodules.sources.spool.MAX_IN_MEMORY", 2**20)
        usual = datamodules.load(request_, tmp_path / "usual")
    data_dir = tmp_path / "data"
    for dataset in (datamodules.load(request_, data_dir), datamodules.load(request_, data_dir)):
        assert dataset.images_file in data_dir.iterdir()
        for name in ("digest", "mean", "std", "source", "files", "classes"):
            assert getattr(dataset, name) == getattr(usual, name)
        for name in cache.TENSORS:
            assert torch.equal(getattr(dataset, name), getattr(usual, name))
    assert len(list(data_dir.iterdir())) == 2  # what the decoding needed is gone
    assert usual.images_file is None


def test_grey_images_among_colours_are_decoded_on_disk(request_, signs, tmp_path, little_memory):
    Image.new("L", (30, 30), 77).save(signs / "go" / "grey.png")
    dataset = datamodules.load(request_, tmp_path / "data")
    images = torch.cat([dataset.train_images, dataset.test_images])
    assert (images == 77).flatten(1).all(1).sum() == 1


@pytest.mark.parametrize("damage", ["byte", "cut", "missing"])
def test_damage_on_disk_is_found(request_, tmp_path, little_memory, capsys, damage):
    data_dir = tmp_path / "data"
    first = datamodules.load(request_, data_dir)
    content = bytearray(first.images_file.read_bytes())
    content[len(content) // 2] ^= 1
    first.images_file.unlink()  # a file that is mapped is not cut
    if damage != "missing":
        first.images_file.write_bytes(content if damage == "byte" else content[:-1])
    again = datamodules.load(request_, data_dir)
    assert "is damaged" in capsys.readouterr().err
    assert again.digest == first.digest
    assert datamodules.load(request_, data_dir).digest == first.digest
    assert "damaged" not in capsys.readouterr().err


def test_a_full_disk_is_named_and_nothing_is_left(request_, tmp_path, little_memory, monkeypatch):
    def full(self, images, channels):
        (self._folder / "images").write_bytes(b"x")
        raise self._no_room(OSError(28, "No space left on device"))

    monkeypatch.setattr("datamodules.sources.spool.Spool.write", full)
    with pytest.raises(DataError, match=r"cannot be kept in .*data \(No space left on device\)"):
        datamodules.load(request_, tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
