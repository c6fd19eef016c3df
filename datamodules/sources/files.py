"""Files in a folder, zip or tar archive, with the reason where one cannot be read.

Archives are not unpacked to disk. Files that systems and programs keep for themselves are left out:
hidden ones, `__MACOSX/`, `Thumbs.db` and the like.
"""

import hashlib
import lzma
import os
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datamodules.dataset import DataError

MAX_BYTES = 2**28  # of one file: no image that people have takes more

_SYSTEM_NAMES = {
    *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "$recycle.bin"),
    *("system volume information", "lost+found", "__pycache__"),
}

# The last record of a zip archive as far as its number of entries, which larger archives than it
# can count keep elsewhere.
_END, _ENTRIES_ELSEWHERE = struct.Struct("<4s4H"), 2**16 - 1

# What the readers of archives raise on damaged ones; DataError is none of them.
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error),
    *(EOFError, OSError, ValueError, ArithmeticError, LookupError, NotImplementedError),
)


@dataclass(frozen=True)
class File:
    """A file or folder; `parts` is its path below the folder or archive.

    `content` is None for a folder, and for a file that could not be read: `problem` says why.
    """

    parts: tuple[str, ...]
    content: bytes | None = None
    problem: str = ""
    is_folder: bool = False

    @property
    def name(self) -> str:
        """The path, printable: bytes that are no UTF-8 are escaped."""
        return printable("/".join(self.parts))


def printable(name: str) -> str:
    """A name of a file as valid Unicode in one line."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def content_key(path: Path) -> str:
    """A hash of an archive's bytes, or of a folder's files: their contents and their folders.

    Raises:
        DataError: the path does not exist or cannot be read.
    """
    if not path.is_dir():
        try:
            with path.open("rb") as archive:
                return hashlib.file_digest(archive, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
    key = hashlib.sha256()
    for file in read(path):
        folder = file.parts if file.is_folder else file.parts[:-1]
        content = file.problem.encode() if file.content is None else file.content
        key.update("/".join(folder).encode("utf-8", "surrogateescape") + b"\0")
        key.update(hashlib.sha256(content).digest())
    return key.hexdigest()


def read(path: Path) -> Iterator[File]:
    """Yield every file, and every folder that is listed, in an order that depends on names alone
    for a folder, and in the order of the archive otherwise.

    Raises:
        DataError: the path does not exist, or the archive as a whole is damaged.
    """
    try:
        if path.is_dir():
            yield from _in_folder(path, (), ())
        elif zipfile.is_zipfile(path):
            yield from _in_zip(path)
        else:
            yield from _in_tar(path)
    except tarfile.ReadError as error:
        raise DataError(
            f"{path} is truncated or damaged, or neither a folder nor a zip or tar archive "
            f"({_in_one_line(error)})"
        ) from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        raise DataError(f"{path} is truncated or damaged ({_in_one_line(error)})") from None


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith((".", "~$")) or part.casefold() in _SYSTEM_NAMES for part in parts)


def _parts(name: str) -> tuple[str, ...]:
    """The parts of a path in an archive; some systems decompose accents and write backslashes."""
    if "/" not in name:
        name = name.replace("\\", "/")
    name = unicodedata.normalize("NFC", name)
    return tuple(part for part in name.split("/") if part not in ("", ".", ".."))


def _in_folder(
    folder: Path, parts: tuple[str, ...], around: tuple[tuple[int, int], ...]
) -> Iterator[File]:
    """The files below a folder, links followed; `around` identifies the folders it lies in."""
    try:
        identity = folder.stat().st_dev, folder.stat().st_ino
        names = sorted(os.listdir(folder))
    except OSError as error:
        if not parts:
            raise
        yield File(parts, problem=error.strerror or "cannot be listed")
        return
    if identity in around:
        yield File(parts, problem="a link to a folder that it lies in")
        return
    for name in names:
        path, own = folder / name, (*parts, unicodedata.normalize("NFC", name))
        if _is_hidden((name,)):
            continue
        if path.is_dir():
            yield File(own, is_folder=True)
            yield from _in_folder(path, own, (*around, identity))
        else:
            yield _from_disk(path, own)


def _from_disk(path: Path, parts: tuple[str, ...]) -> File:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return File(parts, problem="not a file")
        if problem := _too_large(status.st_size):
            return File(parts, problem=problem)
        return File(parts, path.read_bytes())
    except OSError as error:
        is_link = path.is_symlink() and not path.exists()
        return File(parts, problem="a link to nothing" if is_link else _in_one_line(error))


def _in_zip(path: Path) -> Iterator[File]:
    with zipfile.ZipFile(path) as archive:
        _check_count(path, len(archive.infolist()))
        for entry in archive.infolist():
            parts = _parts(entry.filename)
            hidden = _is_hidden(parts)
            try:
                # Opening compares the entry's two headers, and so finds a damaged name.
                with archive.open(entry) as file:
                    if hidden:
                        continue
                    if entry.is_dir():
                        yield File(parts, is_folder=True)
                    elif problem := _too_large(entry.file_size):
                        yield File(parts, problem=problem)
                    else:
                        yield File(parts, file.read())
            except (*_DAMAGE, RuntimeError) as error:
                is_locked = entry.flag_bits & 1
                if not (hidden and is_locked):
                    problem = _in_one_line(error)
                    if is_locked or isinstance(error, NotImplementedError):
                        kind = "encrypted" if is_locked else "unknown compression"
                        problem = f"{kind}: unpack the archive, and name its folder"
                    yield File(parts or (printable(entry.filename),), problem=problem)


def _check_count(path: Path, found: int) -> None:
    """Check the number of entries that were found against the one in the archive's last record.

    Raises:
        zipfile.BadZipFile: they differ.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**16 - _END.size))
        tail = file.read()
    *_, entries = _END.unpack_from(tail, tail.rindex(b"PK\5\6"))
    if entries not in (found, _ENTRIES_ELSEWHERE):
        raise zipfile.BadZipFile(f"{found:,} of {entries:,} entries found")


def _in_tar(path: Path) -> Iterator[File]:
    with tarfile.open(path) as tar:
        links = []
        for member in tar:
            parts = _parts(member.name)
            if not parts or _is_hidden(parts):
                continue
            if member.isdir():
                yield File(parts, is_folder=True)
            elif member.issym() or member.islnk():
                links.append(member)
            else:
                yield _from_tar(tar, member)
        _check_end(tar)
        for member in links:  # last, because the archive is searched for what they lead to
            yield _from_tar(tar, member)


def _from_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    parts = _parts(member.name)
    if problem := _too_large(member.size):
        return File(parts, problem=problem)
    is_link = member.issym() or member.islnk()
    try:
        file = tar.extractfile(member)
    except (KeyError, RecursionError):
        return File(parts, problem="a link to nothing in the archive")
    if file is None:
        return File(parts, problem="a link to a folder" if is_link else "not a file")
    return File(parts, file.read())


def _check_end(tar: tarfile.TarFile) -> None:
    """Check that the archive ends with a block of zeros, and read the rest, for its checksum.

    `tarfile` takes a damaged header, or a file cut between members, as the end.

    Raises:
        tarfile.ReadError: it does not.
    """
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it has no end")
    while tar.fileobj.read(2**20):
        pass


def _too_large(size: int) -> str:
    return f"{size:,} bytes, above the limit of {MAX_BYTES:,}" if size > MAX_BYTES else ""


def _in_one_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(" ".join(text.split())[:200]) or type(error).__name__
