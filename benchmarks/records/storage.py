"""Files of results and checkpoints: in a folder, or at any URL that fsspec serves.

A `UPath` names what lies at a URL, and is used like a `Path`. Object stores replace an object
atomically, as a rename does in a folder, but have no locks: there, locks protect only the sweeps of
one machine from each other.
"""

import errno
import hashlib
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from benchmarks.errors import UsageError

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def open_folder(name: str) -> Path:
    """A folder on this machine, or the `UPath` of a URL such as `s3://bucket/results`.

    Raises:
        UsageError: a URL that no installed library serves, or `~user` of no user.
    """
    if "://" not in name:
        try:
            return Path(name).expanduser()
        except RuntimeError:
            raise UsageError(f"no home folder for {name}; ./{name} is a folder here") from None
    from upath import UPath

    try:
        folder = UPath(name)
        folder.fs  # noqa: B018, the file system is opened on first use
    except (ImportError, ValueError) as error:
        raise UsageError(f"{name} cannot be opened: {error}") from None
    if folder.protocol == "memory":
        print(
            f"benchmarks: {name} is gone when this command ends: keep the output", file=sys.stderr
        )
    return Path(folder.path) if folder.protocol in ("file", "local") else folder


def check_writable(folder: Path) -> None:
    """Make a folder, and check that files can be written there.

    Raises:
        UsageError: they cannot.
    """
    probe = folder / f".probe-{uuid.uuid4().hex}"
    try:
        write_atomic(probe, b"")
        probe.unlink()
    except OSError as error:
        raise UsageError(f"folder {folder} cannot be written: {reason(error)}") from None


def write_atomic(path: Path, content: str | bytes | memoryview) -> None:
    """Write a file so that it exists whole or not at all, also after a power failure.

    Raises:
        OSError: the file cannot be written; its earlier content is kept.
    """
    content = content.encode() if isinstance(content, str) else content
    if not isinstance(path, Path):
        _put(path, bytes(content))
        return
    with replacing(path) as part:
        part.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to be written in this block, which then takes the place of `path` atomically.

    Raises:
        OSError: the file cannot be written; its earlier content is kept.
    """
    if not isinstance(path, Path):
        with tempfile.NamedTemporaryFile() as file:
            yield Path(file.name)
            _put(path, Path(file.name).read_bytes())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, on systems that can open folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.fs.pipe_file(path.path, content)  # type: ignore[attr-defined]  # of UPath
    except OSError:
        raise
    except Exception as error:  # each library has its own error for a network that is down
        raise OSError(str(error)) from error


def scratch(folder: Path) -> list[Path]:
    """Partial files that killed writers left in a folder; each begins with the name of its file."""
    return [*folder.glob("*.part")]


def quarantine(path: Path, why: object) -> None:
    """Report a damaged file in one line, and rename it so that no new file overwrites it."""
    names = (path.with_name(f"{path.name}.damaged{n or ''}") for n in range(1000))
    kept = next(name for name in names if not name.exists())
    outcome = f"kept as {kept.name}"
    try:
        path.rename(kept)
    except OSError as error:
        outcome = f"left where it is: {reason(error)}"
    why = " ".join(str(why).split())[:200]
    print(f"benchmarks: {path} is damaged ({why}); {outcome}", file=sys.stderr)


def lock(folder: Path, name: str) -> BaseFileLock:
    """A lock among all processes that work on a folder; it ends with the process that holds it.

    The lock of a URL lies in a folder of this machine, and so binds no other machine. On a file
    system without locks, the lock is always free, which is reported once for each folder.
    """
    home = folder / ".locks"
    if not isinstance(folder, Path):
        url = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        home = Path(tempfile.gettempdir()) / f"cnn-benchmarks-locks-{url}"
    home.mkdir(parents=True, exist_ok=True)
    return (FileLock if _has_locks(home) else _FreeLock)(home / f"{name}.lock")


@cache
def _has_locks(folder: Path) -> bool:
    try:
        with FileLock(folder / ".probe", blocking=False):
            return True
    except Timeout:
        return True
    except (OSError, NotImplementedError) as error:  # the latter of filelock, for ENOSYS
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        problem = f"{folder.parent} is on a file system without locks ({error})"
        print(f"benchmarks: {problem}; run one sweep at a time there", file=sys.stderr)
        return False


class _FreeLock(BaseFileLock):
    """A lock that excludes nobody."""

    def _acquire(self) -> None:
        self._context.lock_file_fd = os.open(os.devnull, os.O_RDONLY)

    def _release(self) -> None:
        if (descriptor := self._context.lock_file_fd) is not None:
            os.close(descriptor)
        self._context.lock_file_fd = None


def reason(error: OSError) -> str:
    """The system's words for an error, or those of a library that has its own."""
    return error.strerror or " ".join(str(error).split())
