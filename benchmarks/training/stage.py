"""What a run is doing, as its process reports it to whoever started it."""

from collections.abc import Callable
from dataclasses import dataclass

TRAINING, TESTING, TIMING = "training", "testing", "timing"


@dataclass(frozen=True)
class Stage:
    """What a run is doing.

    Args:
        name: TRAINING, TESTING or TIMING.
        seconds_left: until the run has its record, estimated from its steps; None: unknown.
        done: fraction of the training steps that are taken.
        history: loss and accuracy of each epoch so far, as in the record.
    """

    name: str
    seconds_left: float | None = None
    done: float = 0.0
    history: tuple[dict[str, float], ...] = ()


Report = Callable[[Stage], None]
