"""Errors that the verbs answer in one line."""

from benchmarks.errors import UsageError
from datamodules import DataError


def foreseen() -> tuple[type[Exception], ...]:
    """Errors that are answered in one line: the message says what was wrong and what to do."""
    from lit_models import ModelError  # imports PyTorch, so only where an error is to be answered

    return UsageError, ModelError, DataError
