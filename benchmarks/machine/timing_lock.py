"""One lock a machine, held while anything is timed: two sweeps at once would slow each other down.

The lock is a file that every user may open: `/tmp/cnn-benchmarks-timing.lock`, or the one that the
variable BENCHMARKS_LOCK names, such as one in a folder that containers of a machine share. The
system releases it when its holder ends, however that ends. The processes of one group share it.
"""

import getpass
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

try:
    import fcntl
except ImportError:  # there is none on Windows
    fcntl = None  # type: ignore[assignment]

VARIABLE, NAME = "BENCHMARKS_LOCK", "cnn-benchmarks-timing.lock"

THIS_PROCESS = uuid.uuid4().hex  # the group of whoever names none

_TICK = 0.5  # seconds between two attempts


def path() -> Path:
    """The file of the lock. TMPDIR is not used: it may differ between users."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    folder = Path("/tmp")
    return (folder if folder.is_dir() else Path(tempfile.gettempdir())) / NAME


@dataclass(frozen=True)
class Holder:
    """Who holds the lock."""

    group: str
    user: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"{self.user} times runs on this machine since {self.since} (process {self.pid})"


class TimingLock:
    """The lock of this machine.

    Args:
        group: processes of the same group hold the lock together.
    """

    def __init__(self, group: str = THIS_PROCESS) -> None:
        self._group = group
        self._file: int | None = None

    def acquire(self) -> Holder | None:
        """Take the lock unless others hold it: then they are returned.

        Where the lock cannot be used, this is said once, and counts as having taken it.
        """
        if self._file is not None:
            return None
        try:
            file = _open(path())
        except OSError as error:
            _complain(path(), error.strerror or str(error))
            return None
        try:
            holder = self._lock(file)
        except OSError as error:
            _complain(path(), error.strerror or str(error))
            holder = None
        if holder is None:
            self._file = file
        else:
            os.close(file)
        return holder

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock(self, file: int) -> Holder | None:
        """Whoever gets the file alone writes who holds it, and then shares it with its group.

        A file is held alone only as long as that takes, so that the others wait for it.
        """
        if _alone(file):
            now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
            holder = Holder(self._group, _user(), os.getpid(), now)
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(asdict(holder)).encode(), 0)
        fcntl.flock(file, fcntl.LOCK_SH)
        holder = _read(file)
        return None if holder.group == self._group else holder


@contextmanager
def timing() -> Iterator[None]:
    """Hold the lock, after waiting for it if need be, which is said in a line."""
    lock = TimingLock()
    await_turn(lock.acquire)
    try:
        yield
    finally:
        lock.release()


def await_turn(
    acquire: Callable[[], Holder | None],
    prefix: str = "",
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Try until nobody else holds the lock, or until told to stop; a wait is said in a line."""
    told = False
    while (holder := acquire()) and not stopping():
        if not told:
            print(f"{prefix}{holder}, waiting", flush=True)
            told = True
        time.sleep(_TICK)


def _open(file: Path) -> int:
    """Open the file, or make it so that every user may open it."""
    if fcntl is None:
        raise OSError("this system has no flock")
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        # Without O_CREAT: Linux refuses that to other users in a sticky folder.
        return os.open(file, flags)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(file, flags | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:  # another process was faster
        return os.open(file, flags)
    os.fchmod(descriptor, 0o666)  # whatever the umask
    return descriptor


def _alone(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(file, 4096, 0)))
    except (ValueError, TypeError):  # its holder ended before it had written
        return Holder("", "somebody", 0, "just now")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for its user
        return f"user {os.getuid()}"


@cache
def _complain(file: Path, reason: str) -> None:
    print(
        f"benchmarks: {file} cannot be locked ({reason}): other sweeps may run at the same time",
        file=sys.stderr,
    )
