"""Convolutional networks as plain modules that return logits, and their analysis."""

from lit_models.analysis.cost import Cost, cost
from lit_models.analysis.effective_receptive_field import (
    EffectiveReceptiveField,
    effective_receptive_field,
)
from lit_models.analysis.receptive_field import ReceptiveField, receptive_field
from lit_models.entries import CLASSIFICATION, SEGMENTATION, Entry, ModelError, Published
from lit_models.registry import (
    broken,
    build,
    canonical_names,
    check,
    check_image_size,
    entry,
    names,
    register,
    select,
)

__all__ = [
    "CLASSIFICATION",
    "SEGMENTATION",
    "Cost",
    "EffectiveReceptiveField",
    "Entry",
    "ModelError",
    "Published",
    "ReceptiveField",
    "broken",
    "build",
    "canonical_names",
    "check",
    "check_image_size",
    "cost",
    "effective_receptive_field",
    "entry",
    "names",
    "receptive_field",
    "register",
    "select",
]
