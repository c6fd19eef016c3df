import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import DataError
from datamodules.sources import cifar10
from datamodules.sources.cache import digest
from datamodules.sources.image_folder import decode


@pytest.fixture
def folder(image_folder, tmp_path):
    """CIFAR-10 in small: 80 + 40 images."""
    return shutil.copytree(image_folder, tmp_path / "images")


def cifar(path, **options):
    return decode(path, cifar10.CLASSES, size=32, **options)


def own(path, size=16, fit="crop", **options):
    return decode(path, size=size, fit=fit, **options)


def counts(decoded):
    return len(decoded["train_labels"]), len(decoded["test_labels"])


def write(path: Path, seed: int, size=(20, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def pets(tmp_path):
    """`cat/`, `dog/` and `emu/` with 20, 40 and 2 images."""
    for label, count in (("cat", 20), ("dog", 40), ("emu", 2)):
        for number in range(count):
            write(
                tmp_path / "pets" / label / f"{number}.png",
                100 * len(label) + ord(label[0]) * 1000 + number,
            )
    return tmp_path / "pets"


@pytest.mark.parametrize("is_cifar", [True, False])
def test_a_class_may_be_a_link_to_a_folder(folder, is_cifar):
    (folder / "train" / "cat").rename(folder.parent / "elsewhere")
    (folder / "train" / "cat").symlink_to(folder.parent / "elsewhere")
    assert counts(cifar(folder) if is_cifar else own(folder)) == (80, 40)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        *((".webp", "WEBP"), (".jfif", "JPEG"), (".bmp", "BMP"), (".TIF", "TIFF"), (".gif", "GIF")),
        *((".jpg", "PNG"), (".png", "JPEG"), (".JPG", "JPEG"), ("", "PNG"), (".dat", "PNG")),
    ],
)
def test_images_are_known_by_their_content(folder, suffix, kind):
    for file in (folder / "train" / "dog").iterdir():
        with Image.open(file) as image:
            image.save(file.with_suffix(suffix), kind)
        if suffix != ".png":
            file.unlink()
    decoded = cifar(folder)
    assert counts(decoded) == (80, 40)
    assert set(decoded["formats"]) == {"PNG", kind}


def test_hidden_and_system_files_are_ignored(folder):
    for name in ("train/.DS_Store", "train/cat/Thumbs.db", "train/.ipynb_checkpoints/0.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    for file in list(folder.glob("*/*/*.png")):
        ghost = folder / "__MACOSX" / file.relative_to(folder).with_name(f"._{file.name}")
        ghost.parent.mkdir(parents=True, exist_ok=True)
        ghost.write_bytes(b"\0\5\26\7")
    (folder / "README.md").write_text("Pictures.")
    assert counts(cifar(folder)) == (80, 40)
    with zipfile.ZipFile(folder.parent / "images.zip", "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder))
    assert digest(cifar(folder.parent / "images.zip")) == digest(cifar(folder))


def test_all_problems_are_in_one_answer(folder):
    (folder / "train/cat/0000.png").write_bytes(b"x")
    (folder / "test/dog/0001.png").write_bytes(b"y")
    shutil.rmtree(folder / "test" / "ship")
    shutil.rmtree(folder / "train" / "truck")
    write(folder / "train" / "stray.png", 0)
    with pytest.raises(DataError) as error:
        own(folder)
    text = str(error.value)
    assert "\n" not in text
    for problem in (
        "2 files that cannot be read: test/dog/0001.png (not an image), train/cat/0000.png (not",
        "1 class without a test image: ship",
        "1 class without a training image: truck",
        "1 image outside the class folders: train/stray.png",
        "--skip-damaged leaves unreadable files out",
    ):
        assert problem in text


def test_damaged_files_are_left_out_if_asked(folder):
    (folder / "train/cat/0000.png").write_bytes(b"x")
    (folder / "train/cat/link.png").symlink_to("nothing")
    decoded = own(folder, skip_damaged=True)
    assert counts(decoded) == (79, 40)
    assert decoded["skipped"] == [
        "train/cat/0000.png (not an image)",
        "train/cat/link.png (a link to nothing)",
    ]


def test_classes_without_a_readable_file_are_named(folder):
    for file in (folder / "train" / "cat").iterdir():
        file.write_bytes(b"x")
    with pytest.raises(DataError, match="has 1 class without a training image: cat$"):
        own(folder, skip_damaged=True)


def test_classes_alone_are_split_by_content(pets):
    decoded = own(pets)
    assert decoded["classes"] == ["cat", "dog", "emu"]
    assert decoded["layout"] == "split 80 : 20 by content"
    train, test = (decoded[f"{split}_labels"].bincount() for split in ("train", "test"))
    assert (train + test).tolist() == [20, 40, 2]
    assert (test > 0).all()
    assert (train > 0).all()


def test_the_share_of_test_images_is_a_fifth(tmp_path):
    for number in range(600):
        write(tmp_path / "ab"[number % 2] / f"{number}.png", number, size=(4, 4))
    train, test = counts(own(tmp_path))
    assert train + test == 600
    assert 80 < test < 160  # four standard deviations


def side_by_image(decoded):
    return {
        image.numpy().tobytes(): split
        for split in ("train", "test")
        for image in decoded[f"{split}_images"]
    }


def test_a_file_stays_on_its_side(pets, tmp_path):
    before = side_by_image(own(pets))
    for number, file in enumerate(list((pets / "dog").iterdir())):
        file.rename(file.with_name(f"renamed-{number}.jpeg"))
    assert side_by_image(own(pets)) == before
    for number in range(20):
        write(pets / "dog" / f"new-{number}.png", 9_000 + number)
    write(pets / "fox" / "1.png", 8_001)
    write(pets / "fox" / "2.png", 8_002)
    after = side_by_image(own(pets))
    assert len(after) == len(before) + 22
    assert before.items() <= after.items()


def test_copies_do_not_straddle(pets):
    for file in list(pets.glob("*/*.png")):
        shutil.copy(file, file.with_name(f"copy-of-{file.name}"))
    decoded = own(pets)
    assert sum(counts(decoded)) == 124
    sides = [
        {image.numpy().tobytes() for image in decoded[f"{s}_images"]} for s in ("train", "test")
    ]
    assert not sides[0] & sides[1]


def test_names_do_not_change_the_data(pets, tmp_path):
    before = digest(own(pets))
    for number, file in enumerate(sorted(pets.glob("*/*.png"), reverse=True)):
        file.rename(file.with_name(f"{number:03}"))
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for file in sorted(pets.rglob("*"), reverse=True):
            archive.write(file, Path("wrapped", file.relative_to(pets)))
    assert digest(own(pets)) == digest(own(tmp_path / "pets.zip")) == before


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "TEST"])
def test_other_names_of_splits(folder, name):
    (folder / "test").rename(folder / name)
    decoded = own(folder)
    assert counts(decoded) == (80, 40)
    assert decoded["layout"] == f"train/ and {name}/"


def test_of_three_splits_the_validation_images_are_not_used(folder):
    shutil.copytree(folder / "test", folder / "val")
    decoded = own(folder)
    assert counts(decoded) == (80, 40)
    assert decoded["layout"] == "train/ and test/, the 40 in val/ not used"


def test_classes_may_have_folders_and_names_of_splits(tmp_path):
    for label in ("train", "boat"):
        for number in range(5):
            write(tmp_path / "x" / label / f"{number}.png", number)
            for split in ("train", "test"):
                write(tmp_path / "y" / split / label / "deep" / f"{number}.png", number)
    assert own(tmp_path / "x")["classes"] == own(tmp_path / "y")["classes"] == ["boat", "train"]
    assert counts(own(tmp_path / "y")) == (10, 10)


def test_images_in_both_splits_or_in_two_classes_are_noted(pets, folder):
    shutil.copy(folder / "train/cat/0000.png", folder / "test/cat/copy.png")
    assert own(folder)["notes"] == ["test images that are among the training images too: 1"]
    shutil.copy(pets / "cat" / "0.png", pets / "dog" / "same.png")
    assert own(pets)["notes"] == ["images in two or more classes: 1"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: [shutil.rmtree(f / n) for n in ("dog", "emu")], r"holds one class \(cat\)"),
        (lambda f: shutil.rmtree(f), "cannot be read: No such file"),
        (lambda f: [shutil.rmtree(f / n) for n in ("cat", "dog", "emu")], "holds no images; put"),
        (lambda f: (f / "empty").mkdir(), "fewer than two different images: empty"),
        (lambda f: (f / "emu/0.png").unlink(), "fewer than two different images: emu"),
        (lambda f: shutil.copy(f / "emu/0.png", f / "emu/1.png"), "fewer than two .*: emu"),
    ],
)
def test_classes_that_cannot_be_trained_on(pets, spoil, message):
    spoil(pets)
    with pytest.raises(DataError, match=message):
        own(pets)


def test_a_split_alone(folder):
    shutil.rmtree(folder / "train")
    with pytest.raises(DataError, match="has test/ but no train/"):
        own(folder)


def test_two_datasets(folder, tmp_path):
    (tmp_path / "both").mkdir()
    for name in "ab":
        shutil.copytree(folder, tmp_path / "both" / name)
    with pytest.raises(DataError, match="several datasets, in a/ and b/"):
        own(tmp_path / "both")


def test_grey_images_have_one_channel_if_all_are_grey(tmp_path):
    modes = ("L", "RGB", "1", "LA", "P")
    for number in range(10):
        image = Image.effect_noise((20, 20), 50 + number).convert(modes[number % 5])
        path = tmp_path / "ab"[number // 5] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        image.save(path)
    assert own(tmp_path)["train_images"].shape[1:] == (1, 16, 16)
    write(tmp_path / "a" / "colour.png", 0)
    decoded = own(tmp_path)
    assert decoded["train_images"].shape[1:] == (3, 16, 16)
    assert decoded["train_images"].dtype == torch.uint8


def test_sets_that_do_not_fit_in_memory_are_refused(folder, monkeypatch):
    monkeypatch.setattr("datamodules.sources.spool.MEMORY_SHARE", 0.0)
    with pytest.raises(DataError, match="once decoded, do not fit in memory"):
        own(folder)
