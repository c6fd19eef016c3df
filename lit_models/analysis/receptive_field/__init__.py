"""The theoretical receptive field of every layer."""

from lit_models.analysis.receptive_field.axis import Axis
from lit_models.analysis.receptive_field.graph import (
    Field,
    LayerField,
    ReceptiveField,
    receptive_field,
    trace,
)
from lit_models.analysis.receptive_field.rules import TracingError

__all__ = [
    "Axis",
    "Field",
    "LayerField",
    "ReceptiveField",
    "TracingError",
    "receptive_field",
    "trace",
]
