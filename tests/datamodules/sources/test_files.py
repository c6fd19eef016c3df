"""Folders and archives as people, and the programs that they use, make them."""

import os
import tarfile
import zipfile

import pytest

from datamodules import DataError
from datamodules.sources import files
from datamodules.sources.files import content_key, read


@pytest.fixture
def tree(tmp_path):
    """Two files in two folders, and an empty folder."""
    root = tmp_path / "tree"
    for name in ("a/1.png", "b/deep/2.png"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(name.encode())
    (root / "empty").mkdir()
    return root


def contents(path):
    """Contents of files by name; None for a folder; the reason where a file cannot be read."""
    return {file.name: file.problem or file.content for file in read(path)}


FILES = {"a/1.png": b"a/1.png", "b/deep/2.png": b"b/deep/2.png"}
TREE = FILES | {"a": None, "b": None, "b/deep": None, "empty": None}


def zipped(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def with_bytes_set(path, place_in_local, place_in_central, value):
    """The zip file with two bytes of all its headers set."""
    data = bytearray(path.read_bytes())
    for magic, place in ((b"PK\3\4", place_in_local), (b"PK\1\2", place_in_central)):
        start = data.find(magic)
        while start >= 0:
            data[start + place : start + place + 2] = value.to_bytes(2, "little")
            start = data.find(magic, start + 4)
    path.write_bytes(data)
    return path


def test_a_folder(tree):
    assert contents(tree) == TREE


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_tar_archive(tree, tmp_path, compression):
    path = tmp_path / "any name"
    with tarfile.open(path, f"w:{compression}") as tar:
        tar.add(tree, ".")
    assert contents(path) == TREE


def test_a_zip_archive(tmp_path):
    assert contents(zipped(tmp_path / "x.zip", FILES)) == FILES


def test_a_zip_archive_with_backslashes(tmp_path):
    path = zipped(tmp_path / "x.zip", {name.replace("/", "\\"): c for name, c in FILES.items()})
    assert contents(path) == FILES


def test_links_are_followed(tree, tmp_path):
    (tree / "linked").symlink_to(tree / "b", target_is_directory=True)
    (tree / "a" / "same.png").symlink_to("1.png")
    found = contents(tree)
    assert found["linked/deep/2.png"] == b"b/deep/2.png"
    assert found["a/same.png"] == b"a/1.png"


def test_links_that_lead_nowhere_or_back_are_named(tree):
    (tree / "a" / "gone.png").symlink_to("nothing")
    (tree / "b" / "round").symlink_to(tree)
    found = contents(tree)
    assert found["a/gone.png"] == "a link to nothing"
    assert found["b/round"] == "a link to a folder that it lies in"


def test_links_in_a_tar_archive(tree, tmp_path):
    (tree / "a" / "same.png").symlink_to("1.png")
    os.link(tree / "a" / "1.png", tree / "a" / "hard.png")
    (tree / "a" / "gone.png").symlink_to("nothing")
    (tree / "c").symlink_to("b")
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(tree, "top")
    found = contents(path)
    assert found["top/a/same.png"] == found["top/a/hard.png"] == found["top/a/1.png"] == b"a/1.png"
    assert found["top/a/gone.png"] == "a link to nothing in the archive"
    assert found["top/c"] == "a link to a folder"


@pytest.mark.parametrize(
    "name",
    [
        *("__MACOSX/a/._1.png", ".DS_Store", "a/.DS_Store", "a/._1.png", "a/Thumbs.db"),
        *(
            "a/.ipynb_checkpoints/1.png",
            ".git/config",
            "a/desktop.ini",
            "@eaDir/1.png",
            "a/~$1.png",
        ),
    ],
)
def test_hidden_and_system_files_are_ignored(tree, tmp_path, name):
    assert contents(zipped(tmp_path / "x.zip", {**FILES, name: b"x"})) == FILES
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_bytes(b"x")
    assert contents(tree) == TREE


def test_names_that_are_no_utf8(tree):
    name = os.fsdecode(b"caf\xe9.png")
    (tree / "a" / name).write_bytes(b"x")
    assert contents(tree)["a/caf\\xe9.png"] == b"x"
    assert content_key(tree)


def test_a_pipe_is_not_waited_for(tree):
    os.mkfifo(tree / "a" / "pipe.png")
    assert contents(tree)["a/pipe.png"] == "not a file"


def test_files_and_folders_that_may_not_be_read(tree):
    (tree / "a" / "1.png").chmod(0)
    (tree / "b" / "deep").chmod(0)
    try:
        if os.access(tree / "a" / "1.png", os.R_OK):
            pytest.skip("root may read everything")
        found = contents(tree)
    finally:
        (tree / "b" / "deep").chmod(0o700)
    assert found["a/1.png"] == found["b/deep"] == "Permission denied"


def test_a_file_that_is_too_large(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 8)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tree, ".")
    for path in (tree, tmp_path / "x.tar", zipped(tmp_path / "x.zip", FILES)):
        assert contents(path)["b/deep/2.png"] == "12 bytes, above the limit of 8"
        assert contents(path)["a/1.png"] == b"a/1.png"


def test_encrypted_zips(tmp_path):
    path = with_bytes_set(zipped(tmp_path / "x.zip", FILES), 6, 8, 1)
    assert set(contents(path).values()) == {"encrypted: unpack the archive, and name its folder"}


def test_zips_of_other_compressions(tmp_path):
    path = with_bytes_set(zipped(tmp_path / "x.zip", FILES), 8, 10, 9)
    found = contents(path)
    assert found.keys() == FILES.keys()
    assert all("unknown compression: unpack" in problem for problem in found.values())


def test_a_damaged_entry_of_a_zip_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    data = (tmp_path / "x.zip").read_bytes()
    damaged = bytearray(data)
    damaged[data.index(b"a/1.pnga/1.png") + 10] ^= 1  # the content follows the name
    (tmp_path / "x.zip").write_bytes(damaged)
    found = contents(tmp_path / "x.zip")
    assert "CRC" in found["a/1.png"]
    assert found["b/deep/2.png"] == b"b/deep/2.png"


@pytest.mark.parametrize("compression", ["", "gz", "xz"])
def test_a_tar_archive_cut_anywhere_is_refused(tree, tmp_path, compression):
    path = tmp_path / "x.tar"
    with tarfile.open(path, f"w:{compression}") as tar:
        tar.add(tree, ".")
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) if not compression else len(whole)
    for cut in range(0, end, max(1, end // 40)):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"x\.tar .*(truncated|damaged)"):
            contents(path)


def test_a_damaged_header_of_a_tar_archive_is_refused(tree, tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(tree, ".")
    content = bytearray(path.read_bytes())
    content[content.index(b"./b/deep/2.png")] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        contents(path)


def test_the_content_key_depends_on_bytes_and_folders(tree):
    keys = {content_key(tree)}
    (tree / "a" / "1.png").rename(tree / "a" / "0.png")
    assert {content_key(tree)} == keys
    (tree / "a" / "0.png").rename(tree / "empty" / "0.png")
    keys.add(content_key(tree))
    (tree / "empty" / "0.png").write_bytes(b"a/2.png")
    keys.add(content_key(tree))
    assert len(keys) == 3


def test_what_does_not_exist(tmp_path):
    for ask in (contents, content_key):
        with pytest.raises(DataError, match="nowhere cannot be read: No such file"):
            ask(tmp_path / "nowhere")


def test_what_is_no_archive(tmp_path):
    (tmp_path / "x.rar").write_bytes(b"Rar!" * 1000)
    with pytest.raises(DataError, match="neither a folder nor a zip or tar archive"):
        contents(tmp_path / "x.rar")
    path = tmp_path / "empty.zip"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="truncated or damaged"):
        contents(path)
