"""How long the runs of a sweep will take, judged by those that are known."""

from collections.abc import Mapping

import lit_models
from benchmarks.planning.plan import RunSpec

# An image costs a net about as much again as so many MACs: at 72 px on a CPU. Without them, a LeNet
# would foretell ten times too much for a VGG.
_MACS_OF_THE_REST = 20_000_000


class Estimates:
    """Rough seconds of runs, from the decision to run to the record.

    A run takes as long as the last of the same model. Other models are in proportion to their MACs,
    roughly.

    Args:
        earlier: seconds of a run of these models.
        given: seconds of single runs, by key.
    """

    def __init__(self, earlier: Mapping[str, float], given: Mapping[str, float]) -> None:
        self._seconds, self._given = dict(earlier), given
        self._work: dict[str, float | None] = {}

    def learn(self, spec: RunSpec, seconds: float) -> None:
        """Note how long a run took, or will take."""
        if spec.key not in self._given:
            self._seconds[spec.model] = seconds
            self._work_of(spec)

    def seconds(self, spec: RunSpec) -> float | None:
        """What a run will take; None: nothing is known that it could be compared with."""
        if spec.key in self._given:
            return self._given[spec.key]
        if spec.model in self._seconds:
            return self._seconds[spec.model]
        work = self._work_of(spec)
        known = {m: self._seconds[m] for m, w in self._work.items() if w and m in self._seconds}
        if work is None or not known:
            return None
        return work * sum(known.values()) / sum(self._work[model] or 0.0 for model in known)

    def _work_of(self, spec: RunSpec) -> float | None:
        """The work of a training in MACs; None if they cannot be counted."""
        if spec.model not in self._work:
            size = spec.protocol.image_size
            try:
                macs = lit_models.cost(lit_models.build(spec.model, image_size=size), size).macs
            except Exception:  # an estimate is no reason to fail; the run will say what is wrong
                self._work[spec.model] = None
            else:
                self._work[spec.model] = (macs + _MACS_OF_THE_REST) * spec.protocol.epochs
        return self._work[spec.model]
