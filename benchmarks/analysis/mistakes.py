"""Which images nets get wrong: those that separate two nets, and those that none gets right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.records.artifacts import Predictions


@dataclass(frozen=True, eq=False)
class Mistakes:
    """The predictions of several nets on the same images.

    Args:
        predictions: of each net, at least one run each.
    """

    predictions: Mapping[str, Sequence[Predictions]]

    @cached_property
    def right(self) -> Mapping[str, np.ndarray]:
        """Which images each run of a net gets right, bool (runs, n)."""
        return {
            net: np.array([each.correct for each in runs]) for net, runs in self.predictions.items()
        }

    @cached_property
    def confidence(self) -> Mapping[str, np.ndarray]:
        """The confidence of a net in its predicted classes, the mean over its runs, (n,)."""
        return {
            net: np.mean([np.asarray(each.confidence, float) for each in runs], axis=0)
            for net, runs in self.predictions.items()
        }

    def separating(self, right: str, wrong: str) -> np.ndarray:
        """The images that all runs of one net get right and all of the other wrong.

        Returns:
            Their places in the dataset, the most confidently wrong first.
        """
        chosen = np.all(self.right[right], axis=0) & ~np.any(self.right[wrong], axis=0)
        return _ordered(chosen, self.confidence[wrong])

    def hardest(self) -> np.ndarray:
        """The images that no run of any net gets right, the most confidently wrong first."""
        right = np.concatenate([*self.right.values()])
        return _ordered(~np.any(right, axis=0), np.mean([*self.confidence.values()], axis=0))

    def confidently_wrong(self, net: str) -> np.ndarray:
        """The images that no run of a net gets right, the most confidently wrong first."""
        return _ordered(~np.any(self.right[net], axis=0), self.confidence[net])

    def predicted(self, image: int, nets: Sequence[str]) -> tuple[int, int]:
        """The class that most runs of these nets predict for an image, and how many runs do."""
        runs = (each.predicted for net in nets for each in self.predictions[net])
        counts = np.bincount([predicted[image] for predicted in runs if predicted is not None])
        return int(counts.argmax()), int(counts.max())


def _ordered(chosen: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    places = np.flatnonzero(chosen)
    return places[np.argsort(-confidence[places], kind="stable")]
