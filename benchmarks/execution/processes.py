"""How the processes of a sweep begin, and how their exit status reads."""

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from typing import Any

from benchmarks.machine import shell

_TICK = 0.05  # seconds between two looks at the parent

SECONDS_TO_EXIT = 10.0  # for libraries to clean up once a process has sent its outcome


@cache
def context() -> Any:
    """How processes of runs are made: forked from a server, which imports all that a run needs.

    The first call starts the server and does not wait for it.
    """
    shell.clear_variables()
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload(["benchmarks.execution.preload"])
    if context.get_start_method() == "forkserver":
        # A terminal signals all its processes; this one answers for the server.
        with handling(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM), _short_addresses():
            forkserver.ensure_running()
    return context


@contextmanager
def _short_addresses() -> Iterator[None]:
    """Let multiprocessing keep its sockets where their addresses are short enough."""
    before, tempfile.tempdir = tempfile.tempdir, shell.socket_folder()
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextmanager
def exiting_with(parent: int) -> Iterator[None]:
    """Exit if this process loses its parent meanwhile; no thread is left to be forked."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_TICK):
            if os.getppid() != parent:
                os._exit(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def begin() -> None:
    """Leave Ctrl-C to the parent, and exit when the parent ends, even by SIGKILL."""
    shell.open_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until there is something to save
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


@contextmanager
def handling(handler: Callable[[int, Any], Any] | int, *numbers: int) -> Iterator[None]:
    """The handler of these signals, in place of the present ones."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own)


def was_killed(status: int | None) -> bool:
    """Whether an exit status is that of a process ended by a signal."""
    return status is not None and status < 0


def cause_of_death(status: int | None) -> str:
    """An exit status in words: "was killed by ..." or "ended with status ..."."""
    if status is None or status >= 0:
        return f"ended with status {status}"
    number = signal.Signals(-status)
    guess = "; perhaps the memory ran out" if number == signal.SIGKILL else ""
    return f"was killed by {number.name}{guess}"
