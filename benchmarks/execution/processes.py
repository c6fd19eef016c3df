"""What the processes of a sweep have in common: how they begin, and what their end says."""

import multiprocessing
import os
import signal
import threading

SECONDS_TO_EXIT = 10.0  # for what libraries do when a process ends, once its outcome is there


def begin() -> None:
    """Leave Ctrl-C to the parent, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until there is something to save
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def was_killed(status: int | None) -> bool:
    """Whether an exit status is that of a process a signal has ended."""
    return status is not None and status < 0


def cause_of_death(status: int | None) -> str:
    """What the exit status of a process says: "was killed by ..." or "ended with status ..."."""
    if not was_killed(status):
        return f"ended with status {status}"
    number = signal.Signals(-status)
    guess = "; perhaps the memory ran out" if number == signal.SIGKILL else ""
    return f"was killed by {number.name}{guess}"
