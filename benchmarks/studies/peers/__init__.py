"""How fast is our training loop against others, with the same net, batch and image size?"""

from benchmarks.studies.peers.study import Peers

__all__ = ["Peers"]
