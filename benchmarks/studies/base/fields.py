"""The effective receptive field as rows and panels of studies."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.image import AxesImage
from matplotlib.patches import Circle, Rectangle

from benchmarks.studies.base.study import Column
from lit_models.analysis.effective_receptive_field import EffectiveReceptiveField

BOX = ("first_row", "last_row", "first_column", "last_column")
ON_DARK = {"legend.frameon": True, "legend.facecolor": "0.2", "legend.labelcolor": "white"}
COLUMNS = (
    Column("theoretical_size", "side of the theoretical field, beyond the image too", "px"),
    Column(
        "radius_half",
        "radius of the circle about its centre that holds half of the absolute gradient",
        "px",
        ".1f",
        "radius, half",
    ),
    Column("radius_95", "the same for 95 %", "px", ".1f", "radius, 95 %"),
    Column(
        "area_of_half",
        "that circle's part of the theoretical field, both within the image; 0.5 if all pixels "
        "counted alike",
        format=".2f",
    ),
    Column("gradient", "of each pixel, (H, W); its maximum is 1", format=None),
)


def as_row(effective: EffectiveReceptiveField) -> dict[str, Any]:
    """The cells of `COLUMNS` and `BOX`; the gradient in half precision."""
    weights = effective.weights
    return {
        "layer": effective.field.name,
        "theoretical_size": effective.field.size,
        "sees_all": effective.field.sees_all,
        "radius_half": effective.radius(0.5),
        "radius_95": effective.radius(0.95),
        "area_of_half": effective.area(0.5),
        **dict(zip(BOX, effective.box, strict=True)),
        "gradient": (weights / weights.max()).numpy().astype(np.float16),
    }


def draw(axes: Axes, row: Any) -> AxesImage:
    """A panel as large as the theoretical field; grey: outside the image.

    Args:
        row: a named tuple with the cells of `as_row`.
    """
    image = row.gradient.astype(np.float32)
    extent = (0, image.shape[1], image.shape[0], 0)
    picture = axes.imshow(image, norm=PowerNorm(0.5, 0, 1), cmap="magma", extent=extent)
    corner, side = (row.first_column, row.first_row), row.theoretical_size
    centre = (corner[0] + side / 2, corner[1] + side / 2)
    for patch in (
        Rectangle(corner, side, side, ls="--", color="white", label="theoretical field"),
        Circle(centre, row.radius_half, color="C9", label="half of the gradient"),
        Circle(centre, row.radius_95, color="C2", label="95 % of the gradient"),
    ):
        patch.set(fill=False, lw=2)
        axes.add_patch(patch)
    view = 0.54 * side
    axes.set_xlim(centre[0] - view, centre[0] + view)
    axes.set_ylim(centre[1] + view, centre[1] - view)
    axes.set_facecolor("0.4")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return picture
