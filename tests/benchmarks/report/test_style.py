import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from benchmarks.report.style import GREY, LINE_COLORS, contrast, for_text, look, save

# How light and colours look with no long-, medium- or short-wave cones (Machado, Oliveira and
# Fernandes, 2009, table 1), in linear RGB.
SIGHTS = {
    "all": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(color, sight):
    """CIELAB coordinates of a colour as it is seen."""
    encoded = np.array(to_rgb(color))
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(TO_XYZ @ np.clip(sight @ linear, 0, 1) / TO_XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_are_told_apart_by_all_eyes(sight):
    seen = [lab(color, np.array(SIGHTS[sight])) for color in LINE_COLORS]
    nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert nearest > 15  # a just noticeable difference is about 2.3


@pytest.mark.parametrize("color", [*LINE_COLORS, GREY])
def test_text_in_a_colour_can_be_read(color):
    assert contrast(for_text(color)) >= 4.5


def test_a_plot_is_the_same_file_each_time_and_its_text_is_text(tmp_path):
    files = []
    for number in range(2):
        with look():
            figure, axes = plt.subplots()
            axes.plot([1, 2], [3, 4])
            axes.set_title("a title")
            axes.fill_between([1, 2], [2, 3], [4, 5], hatch="/")
        save(figure, tmp_path / str(number) / "plot.v1.png")
        files.append({path.name: path.read_bytes() for path in (tmp_path / str(number)).iterdir()})
    assert files[0] == files[1]
    assert set(files[0]) == {"plot.v1.png", "plot.v1.svg"}
    assert b">a title</text>" in files[0]["plot.v1.svg"]
    assert not plt.fignum_exists(figure.number)
