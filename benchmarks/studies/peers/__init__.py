"""Our training loop compared with the loops that most people would write."""

from benchmarks.studies.peers.study import rebuild, run

__all__ = ["rebuild", "run"]
