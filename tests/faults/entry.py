"""`python -m benchmarks` with the tiny net, and faults: of the sweep's process, and of its runs.

    python -m tests.faults.entry SWEEP_FAULT RUN_FAULT run --models tiny ...

A fault is a dictionary in JSON, or null.
"""

import json
import sys
from functools import partial

from tests.faults import saboteur


def main(sweep_fault: str, run_fault: str, *argv: str) -> int:
    from benchmarks.cli import main
    from benchmarks.execution import local
    from tests.faults import tiny  # noqa: F401

    sweep_fault, run_fault = (
        saboteur.Fault(**fault) if (fault := json.loads(text)) else None
        for text in (sweep_fault, run_fault)
    )
    local._run = partial(saboteur.run, run_fault)
    if sweep_fault is not None:
        sweep_fault.arm()
    return main(list(argv))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
