"""The imports of a run, made once by the server from which runs are forked.

They take seconds, so the server begins before the sweep is planned. It ends if the plan is refused.
"""

import gc
import os

from benchmarks.execution import processes

# Imports leave next to no garbage; searching for it takes a sixth of their time. What they create
# is exempt from later searches, which would copy the pages that forked processes share.
gc.disable()
with processes.exiting_with(os.getppid()):
    import benchmarks.execution.launcher
    import benchmarks.run  # noqa: F401
gc.freeze()
gc.enable()
