import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from benchmarks.machine import timing_lock
from benchmarks.machine.timing_lock import TimingLock, timing
from tests.conftest import ROOT

if timing_lock.fcntl is None:
    pytest.skip("this system has no flock", allow_module_level=True)

HOLD = """
from benchmarks.machine.timing_lock import TimingLock
lock = TimingLock("theirs")
print(lock.acquire(), flush=True)
input()
"""


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    monkeypatch.setenv(timing_lock.VARIABLE, str(tmp_path / "lock"))
    return tmp_path / "lock"


@pytest.fixture
def other_process():
    """A process that holds the lock, in a group of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "None\n"
    yield process
    process.kill()
    process.communicate()


def test_it_is_held_by_one_group(other_process):
    lock = TimingLock("ours")
    holder = lock.acquire()
    assert (holder.group, holder.pid) == ("theirs", other_process.pid)
    assert f"since {holder.since} (process {other_process.pid})" in str(holder)
    other_process.communicate("")
    assert lock.acquire() is None


def test_it_ends_with_a_holder_that_is_killed(other_process):
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    assert TimingLock("ours").acquire() is None


def test_the_processes_of_a_group_share_it():
    first, second, stranger = TimingLock("ours"), TimingLock("ours"), TimingLock("theirs")
    assert first.acquire() is second.acquire() is None
    first.release()
    assert stranger.acquire().group == "ours"
    second.release()
    assert stranger.acquire() is None
    assert first.acquire().group == "theirs"


def test_a_holder_is_known_to_processes_that_come_while_it_writes(path, monkeypatch):
    """Else a process would wait for one of its own group, whose name it cannot read yet."""
    writing = threading.Event()
    write = os.pwrite

    def slowly(*args):
        writing.set()
        time.sleep(0.2)
        return write(*args)

    monkeypatch.setattr(timing_lock.os, "pwrite", slowly)
    first, second, stranger = TimingLock("ours"), TimingLock("ours"), TimingLock("theirs")
    thread = threading.Thread(target=first.acquire)
    thread.start()
    writing.wait()
    assert second.acquire() is None
    assert stranger.acquire().group == "ours"
    thread.join()


def test_every_user_may_open_it(path):
    before = os.umask(0o077)
    try:
        TimingLock().acquire()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_without_a_lock_work_goes_on_and_this_is_said_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(timing_lock.VARIABLE, str(tmp_path / "missing" / "lock"))
    for _ in range(2):
        assert TimingLock("ours").acquire() is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be locked (No such file or directory)" in line


def test_who_waits_says_so_and_goes_on(other_process, monkeypatch, capsys):
    def end(seconds):
        other_process.communicate("")

    monkeypatch.setattr(timing_lock.time, "sleep", end)
    with timing():
        assert TimingLock("theirs").acquire() is not None
    assert TimingLock("theirs").acquire() is None
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(f"(process {other_process.pid}), waiting")
