"""The verb `notebook`."""

import os
import subprocess
import sys
from argparse import Namespace
from importlib.util import find_spec

from benchmarks.errors import UsageError
from benchmarks.records.storage import check_writable


def notebook(args: Namespace) -> int:
    """Execute a copy of the notebook, which is written beside the results it shows."""
    from benchmarks.report.notebook import ROOT, comparison
    from benchmarks.report.rebuild import read

    original = ROOT / "notebooks" / "results.ipynb"
    if not original.exists():
        raise UsageError(f"there is no {original}, as only a checkout of the repository has it")
    if find_spec("nbclient") is None:
        raise UsageError("nbclient is missing; `pip install -e '.[notebook]'` installs it")
    results = str(args.results) if "results" in args else None
    folder = comparison(results, args.dataset, args.protocol)
    if "://" in str(folder):
        raise UsageError(f"the notebook is written to a folder on this machine, not to {folder}")
    if read(folder).done.empty:
        raise UsageError(f"no run in the table of {folder} ended well; `make bench` makes some")
    check_writable(folder)
    copy = folder.absolute() / "results.ipynb"
    variables = {
        "RESULTS": str(copy.parents[2]),
        "DATASET": folder.parent.name,
        "PROTOCOL": folder.name,
    }
    # Jupyter takes the name of the copy as a pattern.
    output = str(copy).replace("{", "{{").replace("}", "}}")
    command = [sys.executable, "-m", "jupyter", "execute", str(original), f"--output={output}"]
    done = subprocess.run(command, env={**os.environ, **variables})
    if done.returncode == 0:
        print(f"written to {copy}")
    return 1 if done.returncode else 0
