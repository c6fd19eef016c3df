"""Mistakes a user can make: each is answered in one line, with exit status 2."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches


class UsageError(Exception):
    """A request that cannot be served; the message says what is wrong and what to do."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not among the known ones; it suggests the nearest."""
    known = sorted(known)
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else f"choose from {', '.join(known)}"
    return UsageError(f"unknown {kind} {name!r}; {hint}")


def check_known(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise unknown(kind, name, known)
