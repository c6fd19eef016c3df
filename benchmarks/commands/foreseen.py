"""Errors that the verbs answer in one line."""

import lit_models
from benchmarks.errors import UsageError
from datamodules import DataError

# Errors that are answered in one line: the message says what was wrong and what to do.
FORESEEN = (UsageError, lit_models.ModelError, DataError)
