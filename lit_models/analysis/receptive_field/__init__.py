"""The theoretical receptive field of each layer of a net."""

from lit_models.analysis.receptive_field.graph import (
    Field,
    LayerField,
    ReceptiveField,
    receptive_field,
    trace,
)
from lit_models.analysis.receptive_field.rules import TracingError

__all__ = ["Field", "LayerField", "ReceptiveField", "TracingError", "receptive_field", "trace"]
