"""The accuracies of nets on the same test images, with all that their errors have in common.

Seeds and test images are crossed random effects: each training (seed) is tested on each image. This
is the analysis of radiology's multi-reader multi-case studies, with trainings as readers and images
as cases (Dorfman, Berbaum and Metz, 1992; Obuchowski and Rockette, 1995).

Notation: x[s, i] is 1 if the training with seed s gets image i right; S seeds, n images; p[i] is
the mean over the seeds, a[s] that over the images. V is the sample variance of a[s], MS the mean
square of the interaction of seed and image, v = V - MS/n the variance between trainings on the
distribution of images, and Var = s2(p)/n + v/S the variance of a net's mean accuracy. V itself is
mostly chance of the finite test set (Jordan, 2023, "Calibrated chaos").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from benchmarks.analysis.intervals import ALPHA, Interval, t_quantile, wilson

CLEARLY = 0.05  # chance that a net leaves the pool though no spread is larger


@dataclass(frozen=True)
class Trainings:
    """The trainings of one net, a seed each.

    Args:
        accuracies: fractions of the test images, (S,).
        images: number of test images, n.
        correct: which images each training gets right, bool (S, n); None: not kept.
    """

    accuracies: np.ndarray
    images: int
    correct: np.ndarray | None = None

    @classmethod
    def of(cls, correct: np.ndarray) -> Trainings:
        """From bool (S, n)."""
        return cls(correct.mean(axis=1), correct.shape[1], correct)

    @property
    def seeds(self) -> int:
        return len(self.accuracies)

    @cached_property
    def by_image(self) -> np.ndarray | None:
        """p[i]: the fraction of trainings that get each image right, (n,)."""
        return None if self.correct is None else self.correct.mean(axis=0)

    @cached_property
    def interaction(self) -> float:
        """MS; 0 where it is unknown, so that V counts as variance between trainings."""
        if self.by_image is None or self.seeds < 2:
            return 0.0
        mean = self.accuracies.mean()
        between_images = self.seeds * np.square(self.by_image - mean).sum()
        between_seeds = self.images * np.square(self.accuracies - mean).sum()
        total = self.seeds * self.images * mean * (1 - mean)
        degrees = (self.seeds - 1) * (self.images - 1)
        return max(0.0, float(total - between_images - between_seeds) / degrees)


@dataclass(frozen=True)
class Accuracies:
    """The accuracies of the nets of one table.

    Images pair the nets. Seeds do not: equal seed numbers make unrelated trainings (Summers and
    Dinneen, 2021). The variance between trainings is pooled over the nets, except over those whose
    spread is clearly larger. A net with one seed borrows the pooled variance; where no net has
    several seeds, all that follows speaks of these trainings only.
    """

    trainings: Mapping[str, Trainings]

    def __post_init__(self) -> None:
        if len({each.images for each in self.trainings.values()}) > 1:
            raise ValueError("nets were tested on different numbers of images")

    @classmethod
    def of(cls, correct: Mapping[str, np.ndarray]) -> Accuracies:
        """From bool (S, n) for each net, over the same n images in the same order."""
        return cls({name: Trainings.of(each) for name, each in correct.items()})

    @property
    def names(self) -> list[str]:
        return list(self.trainings)

    @cached_property
    def images(self) -> int:
        return next(iter(self.trainings.values())).images

    @cached_property
    def means(self) -> np.ndarray:
        """Mean accuracies, (M,)."""
        return np.array([each.accuracies.mean() for each in self.trainings.values()])

    @cached_property
    def seeds(self) -> np.ndarray:
        """Number of trainings of each net, (M,)."""
        return np.array([each.seeds for each in self.trainings.values()])

    @cached_property
    def test_set(self) -> np.ndarray:
        """Covariance of the mean accuracies by the choice of test images, (M, M): s(p, q)/n.

        A net without predictions has the binomial variance, and no covariance with others: its
        differences then count as unpaired.
        """
        known = {i: each.by_image for i, each in enumerate(self.trainings.values())}
        paired = [i for i, by_image in known.items() if by_image is not None]
        covariance = np.diag(self.means * (1 - self.means) / self.images)
        if paired:
            own = np.cov([known[i] for i in paired]).reshape(len(paired), len(paired))
            covariance[np.ix_(paired, paired)] = own / self.images
        return covariance

    @cached_property
    def groups(self) -> list[list[int]]:
        """Nets whose variance between trainings is pooled; first the pool, then nets on their own.

        The net of the largest V leaves the pool while it is clearly larger than that of the rest,
        as with a net that sometimes dies.
        """
        trainings = list(self.trainings.values())
        deviations = [each.accuracies - each.accuracies.mean() for each in trainings]
        pool = [i for i, each in enumerate(trainings) if each.seeds > 1]
        alone: list[list[int]] = []
        while len(pool) > 1:
            widest = max(pool, key=lambda i: np.var(deviations[i], ddof=1))
            rest = [deviations[i] for i in pool if i != widest]
            if not _is_wider(deviations[widest], rest, CLEARLY / len(trainings)):
                break
            pool.remove(widest)
            alone.append([widest])
        one_seed = [i for i, each in enumerate(trainings) if each.seeds == 1]
        return [pool + one_seed if pool else [], *alone]

    @cached_property
    def degrees(self) -> np.ndarray:
        """Degrees of freedom of each net's variance between trainings, (M,)."""
        return self._by_group(lambda group: sum(self.seeds[group] - 1), math.inf)

    @cached_property
    def interaction(self) -> np.ndarray:
        """MS of each net, (M,); that of its group where it has one seed."""
        own = np.array([each.interaction for each in self.trainings.values()])
        shared = self._by_group(lambda group: _weighted(own[group], self.seeds[group] - 1), 0.0)
        return np.where(self.seeds > 1, own, shared)

    @cached_property
    def observed_spread(self) -> np.ndarray:
        """V of each net, pooled over its group, (M,)."""
        own = np.array(
            [np.var(each.accuracies, ddof=min(1, each.seeds - 1)) for each in self._trainings]
        )
        return self._by_group(lambda group: _weighted(own[group], self.seeds[group] - 1), 0.0)

    @cached_property
    def spread(self) -> np.ndarray:
        """v of each net, pooled over its group, (M,)."""
        noise = self._by_group(
            lambda group: _weighted(self.interaction[group], self.seeds[group] - 1), 0.0
        )
        return np.maximum(0.0, self.observed_spread - noise / self.images)

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance of the mean accuracies by test images and trainings, (M, M)."""
        return self.test_set + np.diag(self.spread / self.seeds)

    @property
    def speaks_of_nets(self) -> bool:
        """Whether the variance between trainings is known for every net."""
        return bool(np.isfinite(self.degrees).all())

    def interval(self, name: str) -> Interval:
        """The interval of a net's accuracy over new trainings and new test images."""
        i = self.names.index(name)
        mean, variance = float(self.means[i]), float(self.covariance[i, i])
        certain = variance <= 0 or mean in (0.0, 1.0)
        if not math.isfinite(self.degrees[i]) or certain:
            own = wilson(mean, self.images)
            return own if self.seeds[i] == 1 else Interval(mean, own.low, own.high, own.half, 0.0)
        quantile = t_quantile(1 - ALPHA / 2, self.degrees_of([i], variance))
        half, test_set, seeds = quantile * np.sqrt(
            [variance, self.test_set[i, i], self.spread[i] / self.seeds[i]]
        )
        low, high = np.clip([mean - half, mean + half], 0, 1)
        return Interval(mean, float(low), float(high), float(test_set), float(seeds))

    def degrees_of(self, nets: Sequence[int], variance: float) -> float:
        """Satterthwaite's degrees of freedom of the variance of a contrast of nets."""
        parts: dict[tuple[float, float], float] = {}
        for i in nets:
            group = (float(self.degrees[i]), float(self.observed_spread[i]))
            parts[group] = parts.get(group, 0.0) + self.observed_spread[i] / self.seeds[i]
        return satterthwaite(variance, [(part, degrees) for (degrees, _), part in parts.items()])

    @property
    def _trainings(self) -> list[Trainings]:
        return list(self.trainings.values())

    def _by_group(self, figure, of_others: float) -> np.ndarray:
        """A figure of each net that is the same for all nets of a group."""
        values = np.full(len(self.trainings), float(of_others))
        for group in filter(None, self.groups):
            values[group] = figure(group)
        return values


def satterthwaite(variance: float, parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a variance, from those of the parts that trainings estimate.

    Parts are shares of V rather than of v: v is cut off at 0, and its degrees would become infinite
    where trainings hardly differ. Where V comes out small by chance, variance and degrees err in
    the same direction; the factor 1 + 2/degrees makes up for it, as simulations show.

    Args:
        variance: of the whole.
        parts: variance and degrees of freedom of each.
    """
    least = min(degrees for _, degrees in parts)
    uncertain = sum(part**2 / degrees * (1 + 2 / degrees) for part, degrees in parts)
    return max(least, variance**2 / uncertain) if uncertain > 0 else math.inf


def _weighted(values: np.ndarray, weights: np.ndarray) -> float:
    return float(np.average(values, weights=weights))


def _is_wider(deviations: np.ndarray, others: list[np.ndarray], alpha: float) -> bool:
    """The F test of one net's variance against that of the others, each about its own mean."""
    degrees = len(deviations) - 1, sum(len(each) - 1 for each in others)
    variance, of_others = (
        sum(np.square(each).sum() for each in side) / count
        for side, count in zip(([deviations], others), degrees, strict=True)
    )
    return bool(special.fdtrc(*degrees, variance / max(of_others, 1e-300)) < alpha)
