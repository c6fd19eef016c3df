"""The record of a run, composed of parts.

The flat row of a record (`RunRecord.row`) has the fields of all parts and is a row of the results
CSV. A new field is one line, in `parts`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.records.artifacts import Predictions
from benchmarks.records.parts import (
    Cost,
    Environment,
    Resources,
    Scores,
    Setup,
    Speed,
    record_field,
)

if TYPE_CHECKING:
    from benchmarks.planning.plan import RunSpec

SCHEMA = 2

# How a run ended: well; with an error; with a loss that is not finite; by `--timeout`; by a signal
# from outside, such as the system's when memory runs out.
OK, FAILED, DIVERGED, TIMEOUT, KILLED = "ok", "failed", "diverged", "timeout", "killed"


class NewerSchemaError(ValueError):
    """A record that a later version of this suite wrote."""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All that a run leaves behind."""

    status: str = record_field("ok, failed, diverged, timeout or killed", default=OK)
    error: str | None = record_field("why it did not end well")
    made_in: str | None = record_field("identity of the results folder")
    finished_at: str = record_field("when the run ended, UTC", default_factory=now)
    setup: Setup
    scores: Scores = Scores()
    cost: Cost = Cost()
    speed: Speed = Speed()
    resources: Resources = Resources()
    environment: Environment
    history: list[dict[str, float]] = record_field(
        "loss and accuracy of each epoch", default_factory=list
    )
    evaluations: list[dict[str, float]] = record_field(
        "accuracy on the evaluated images on the way: epoch, seconds of training and accuracy",
        default_factory=list,
    )
    # On the way from the run to the store, which writes them to a file of their own.
    predictions: Predictions | None = field(
        default=None,
        compare=False,
        repr=False,
        metadata={"doc": "in a file of its own, predictions/<run>.npz", "unit": ""},
    )

    @classmethod
    def of(cls, spec: RunSpec, **values: Any) -> RunRecord:
        """The record of a run; what the spec knows is filled in.

        Args:
            spec: the run.
            values: fields of the record; fields of `Setup` that the spec does not know, or knows
                less well, are given as `setup`, a dictionary.
        """
        known = spec.training_inputs["protocol"] | vars(spec.placement) | vars(spec)
        known |= {"task": spec.task, "key": spec.key, "protocol": spec.protocol_name}
        known |= {"settings": spec.training_inputs["protocol"], "inputs": spec.training_inputs}
        known |= {"device_type": spec.device, "varied_value": spec.varied_value}
        setup = _known(Setup, known | values.pop("setup", {}))
        environment = values.pop("environment", Environment(device=spec.device))
        return cls(setup=setup, environment=environment, **values)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> RunRecord:
        """A record of any schema as it was written; unknown fields are left out.

        Raises:
            NewerSchemaError: a later version of this suite wrote it.
            TypeError, ValueError, AttributeError, KeyError: the content is not a record.
        """
        schema = content.get("schema", 1)
        if schema > SCHEMA:
            raise NewerSchemaError(f"its schema is {schema}, and this version reads up to {SCHEMA}")
        if schema == 1:  # it was flat, and had the samples of the loops as `speeds`
            flat = content | {"samples": content.get("speeds", {})}
            content = flat | dict.fromkeys(PARTS, flat)
        parts = {name: _known(kind, content[name]) for name, kind in PARTS.items()}
        if parts["setup"].device_type is None:
            device_type = _device_type(parts["environment"].device)
            parts["setup"] = replace(parts["setup"], device_type=device_type)
        return _known(cls, content | parts)

    def to_dict(self) -> dict[str, Any]:
        """The record as it is written."""
        content = asdict(replace(self, predictions=None))
        del content["predictions"]
        return {"schema": SCHEMA, **content}

    def row(self) -> dict[str, Any]:
        """The record as a flat row of the results CSV."""
        nested = [self, *(getattr(self, part) for part in PARTS)]
        flat = {f.name: getattr(part, f.name) for part in nested for f in fields(part)}
        return {column: flat[column] for column in COLUMNS}


PARTS = {
    part.__name__.lower(): part for part in (Setup, Scores, Cost, Speed, Resources, Environment)
}

_NOT_IN_CSV = {
    *("settings", "inputs", "samples", "history", "evaluations", "predictions", "mean", "std"),
    *PARTS,
}

# The identity of a run comes first, what it ended with next, then the parts.
_FIRST = ["model", "dataset", "task", "protocol", "seed", "status", "error"]
COLUMNS = _FIRST + [
    f.name
    for part in (Cost, Scores, Speed, Resources, Setup, Environment, RunRecord)
    for f in fields(part)
    if f.name not in {*_NOT_IN_CSV, *_FIRST}
]


def _device_type(name: str) -> str:
    """The type of a device with this name, for records that do not hold it."""
    if name.endswith(" threads") or name == "cpu":
        return "cpu"
    return "mps" if name.endswith(" GPU") or name == "mps" else "cuda"


def _known(kind: type, content: dict[str, Any]) -> Any:
    """An instance of a part, or of the record, from the fields it has."""
    names = {f.name for f in fields(kind)}
    required = {"model", "dataset", "protocol", "seed", "key"} & names
    if missing := required - content.keys():
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return kind(**{name: value for name, value in content.items() if name in names})
