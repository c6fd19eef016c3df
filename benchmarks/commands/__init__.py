"""The verbs: each returns its exit status, and its module is imported for it alone.

So what only reads results does so without PyTorch.
"""

from argparse import Namespace
from importlib import import_module

from benchmarks.commands.foreseen import foreseen

__all__ = ["VERBS", "carry_out", "foreseen"]

VERBS = {
    "list": "models.list_models",
    "describe": "models.describe",
    "data": "sweeps.data",
    "run": "sweeps.run",
    "predict": "sweeps.predict",
    "study": "studies.study",
    "peers": "studies.study",
    "claim": "claims.claim",
    "compare": "claims.compare",
    "images": "images.images",
    "report": "reports.report",
    "notebook": "notebook.notebook",
}


def carry_out(args: Namespace) -> int:
    """Carry out the verb that was read from the command line."""
    module, _, name = VERBS[args.verb].partition(".")
    return getattr(import_module(f"{__name__}.{module}"), name)(args)
