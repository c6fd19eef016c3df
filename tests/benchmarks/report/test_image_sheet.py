import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmarks.report.image_sheet import COLUMNS, Group, Tile, image_sheet


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (128, 3)])
def test_images_are_shown_as_they_are(size, channels):
    shape = (COLUMNS + 1, size, size, channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    tiles = [Tile(each, "ankle boot", "a class with a long name", " 0.99 10/10") for each in pixels]
    groups = [Group("some", tiles), Group("none", []), Group("one", tiles[:1])]
    figure = image_sheet("data", "below", groups)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    shown = [image.get_array() for image in axes.images]
    assert len(shown) == len(tiles) + 1
    for image, own in zip(shown, pixels, strict=False):
        assert (image == own).all()
    boxes = [text.get_window_extent() for text in axes.texts]
    boxes += [image.get_window_extent() for image in axes.images]
    for a, b in itertools.combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        along = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(across, along) < 3
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert any(text.get_text() == "a class… 0.99 10/10" for text in axes.texts)
    plt.close(figure)
