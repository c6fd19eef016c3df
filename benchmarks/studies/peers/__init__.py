"""Our training loop against the loops others would write."""

from benchmarks.studies.peers.study import rebuild, run

__all__ = ["rebuild", "run"]
