"""Damaged and oddly named image folders and archives: an answer in one line, or every image."""

import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datamodules import DataError
from datamodules.sources.image_folder import decode

CONTAINERS = ("folder", "zip", "tar", "tar.gz", "tar.xz")
KINDS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")


def image_files() -> dict[str, bytes]:
    """Two training and two test images of each of three classes, in several formats."""
    random, files = np.random.default_rng(0), {}
    for number in range(12):
        pixels = random.integers(0, 256, (5 + number, 9, 3), np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, KINDS[number % len(KINDS)])
        split, label = ("train", "test")[number // 2 % 2], "abc"[number // 4]
        files[f"{split}/{label}/{number}.png"] = content.getvalue()
    return files


FILES = image_files()

# Bytes that are overwritten, where (as a fraction of the length) and with what; then the length.
# Subnormal numbers are not drawn, as runs let the processor flush them.
places = st.floats(0, 1, exclude_max=True, allow_subnormal=False)
damages = st.tuples(
    st.lists(st.tuples(places, st.binary(min_size=1, max_size=4))),
    st.one_of(st.just(1.0), places),
)
letters = st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"])
usual = ("train", "Test", "val", "a", "b", ".hidden", "__MACOSX", "a b", "é", "e\u0301", "日本")
parts = st.sampled_from(usual) | st.text(letters, min_size=1, max_size=9)
paths = st.lists(parts, min_size=0, max_size=4).map(tuple)


def damaged(content: bytes, damage) -> bytes:
    changes, share = damage
    spoiled = bytearray(content)
    for place, new in changes:
        start = int(place * len(spoiled))
        spoiled[start : start + len(new)] = new
    return bytes(spoiled[: round(share * len(spoiled))])


def write(root: Path, files: dict[str, bytes], container: str) -> Path:
    path = root / f"images.{container}"
    if container == "folder":
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    elif container == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, f"w:{container[4:]}") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def images_or_none(path: Path, **options) -> dict | None:
    """The decoded images, or None if they are refused, which takes one line."""
    try:
        return decode(path, size=8, fit="crop", **options)
    except DataError as error:
        answer = str(error)
    assert answer.isprintable()  # and so one line
    return None


def count(decoded: dict) -> int:
    return len(decoded["train_labels"]) + len(decoded["test_labels"])


def check_damaged_files(container, damage_by_file, skips):
    """Every file is decoded, refused by name or, if asked, counted as left out."""
    files = dict(FILES)
    for number, damage in damage_by_file.items():
        name = list(FILES)[number]
        files[name] = damaged(files[name], damage)
    with tempfile.TemporaryDirectory() as root:
        decoded = images_or_none(write(Path(root), files, container), skip_damaged=skips)
    if decoded is not None:
        assert count(decoded) + len(decoded["skipped"]) == len(FILES)


def check_damaged_archive(container, damage):
    with tempfile.TemporaryDirectory() as root:
        path = write(Path(root), FILES, container)
        path.write_bytes(damaged(path.read_bytes(), damage))
        decoded = images_or_none(path)
    if decoded is not None:
        assert count(decoded) == len(FILES)


def check_names(container, folders):
    """Images in any folders are used, or lie in folders that are hidden or said to be unused."""
    contents = list(FILES.values())
    files = {"/".join((*f, f"{n}.png")): contents[n % 12] for n, f in enumerate(folders)}
    hidden = sum(any(p[0] in ".~" or p == "__MACOSX" for p in f) for f in folders)
    if any(part in (".", "..") or len(part.encode()) > 60 for f in folders for part in f):
        return
    with tempfile.TemporaryDirectory() as root:
        try:
            path = write(Path(root), files, container)
        except OSError:  # no such name on this file system
            return
        decoded = images_or_none(path)
    if decoded is not None and " not used" not in decoded["layout"]:
        assert len(files) - hidden <= count(decoded) <= len(files)


FEW, MANY = 40, 700  # inputs of each kind

by_file = st.dictionaries(st.integers(0, 11), damages, max_size=4)
folder_lists = st.lists(paths, min_size=1, max_size=12)
CHECKS = {
    "files": (check_damaged_files, (st.sampled_from(CONTAINERS), by_file, st.booleans())),
    "archive": (check_damaged_archive, (st.sampled_from(CONTAINERS[1:]), damages)),
    "names": (check_names, (st.sampled_from(CONTAINERS), folder_lists)),
}


def fuzz(kind, inputs):
    check, strategies = CHECKS[kind]
    limits = settings(max_examples=inputs, deadline=None, database=None, derandomize=True)
    limits(given(*strategies)(check))()


@pytest.mark.parametrize("kind", CHECKS)
def test_a_few_inputs(kind):
    fuzz(kind, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHECKS)
def test_two_thousand_inputs(kind):
    fuzz(kind, MANY)
