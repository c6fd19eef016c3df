"""Tables drawn from known effects of images, nets, seeds and their interaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from benchmarks.analysis.accuracies import Accuracies


@dataclass(frozen=True)
class World:
    """A training gets an image right where the sum of its effects is above 0.

    The effects are normal, of these standard deviations: of the image for all nets, of the image
    for one net, of the seed for all images, and of the seed for one image.
    """

    means: tuple[float, ...]  # of the nets
    seeds: int = 3
    images: int = 2000
    item: float = 1.0
    item_of_net: float = 0.5
    seed: float | tuple[float, ...] = 0.02
    interaction: float = 0.5

    @property
    def accuracies(self) -> np.ndarray:
        """The expected accuracy of each net, over all seeds and images."""
        variances = [
            np.square(each) * np.ones(len(self.means))
            for each in (self.item, self.item_of_net, self.seed, self.interaction)
        ]
        return stats.norm.cdf(np.array(self.means) / np.sqrt(sum(variances)))

    @property
    def names(self) -> list[str]:
        return [f"net{i}" for i in range(len(self.means))]

    def with_last_worse(self, by: float) -> World:
        """The same world, with the last net's accuracy so far below the first one's."""
        scale = self.means[0] / stats.norm.ppf(self.accuracies[0])
        last = float(scale * stats.norm.ppf(self.accuracies[0] - by))
        return replace(self, means=(*self.means[:-1], last))

    def draw(self, generator: np.random.Generator) -> Accuracies:
        nets, seeds, images = len(self.means), self.seeds, self.images

        def effect(size, *shape):
            return size * generator.standard_normal(shape, dtype=np.float32)

        of_seeds = np.reshape(self.seed * np.ones(nets), (nets, 1, 1)).astype(np.float32)
        sums = (
            np.array(self.means, np.float32)[:, None, None]
            + effect(self.item, images)
            + effect(self.item_of_net, nets, 1, images)
            + of_seeds * effect(1, nets, seeds, 1)
            + effect(self.interaction, nets, seeds, images)
        )
        return Accuracies.of(dict(zip(self.names, sums > 0, strict=True)))
