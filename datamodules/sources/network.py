"""Downloads that end: a server or proxy that does not answer is given up."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

STALLED_SECONDS = 20.0  # without a byte


@contextmanager
def giving_up() -> Iterator[None]:
    """Let every connection in the block fail with TimeoutError, an OSError, once it has stalled."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
