"""python -m benchmarks"""

import gc
import sys

from benchmarks.cli import main

if __name__ == "__main__":
    # Imports create many objects and no garbage, and searching for it takes a sixth of their time.
    gc.set_threshold(50_000, 50, 50)
    sys.exit(main())
