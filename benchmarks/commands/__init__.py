"""The verbs: each returns its exit status, and imports only what it needs."""

from benchmarks.commands.claims import claim, compare
from benchmarks.commands.foreseen import FORESEEN
from benchmarks.commands.models import describe, list_models
from benchmarks.commands.studies import rebuild, study
from benchmarks.commands.sweeps import data, predict, run

__all__ = ["FORESEEN", "VERBS"]

VERBS = {
    "list": list_models,
    "describe": describe,
    "data": data,
    "run": run,
    "predict": predict,
    "study": study,
    "peers": study,
    "claim": claim,
    "compare": compare,
    "report": rebuild,
}
