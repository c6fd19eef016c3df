"""Files of one uniform colour, or of a few, in the formats and modes that people have."""

import io

import numpy as np
import pytest
from PIL import Image

from datamodules.sources.pixels import FITS, ImageError, decode

RED = (200, 40, 30)


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def uniform(content, size=8):
    """The colour of a decoded image of one colour, as int or (r, g, b)."""
    pixels = decode(content, size, "crop").pixels
    colours = np.unique(pixels.reshape(size * size, -1), axis=0)
    assert len(colours) == 1
    return tuple(colours[0].tolist()) if pixels.ndim == 3 else int(colours[0, 0])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000"])
def test_formats(kind):
    decoded = decode(saved(Image.new("RGB", (12, 10), RED), kind), 8, "crop")
    assert (decoded.format, decoded.size, decoded.pixels.shape) == (kind, (12, 10), (8, 8, 3))
    assert np.abs(decoded.pixels.astype(int) - RED).max() < 12


@pytest.mark.parametrize("value", [0, 1, 128, 257, 32_768, 40_000, 65_535])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_become_eight_by_rounding(value, kind):
    image = Image.fromarray(np.full((9, 9), value, np.uint16))
    assert uniform(saved(image, kind)) == int(value / 257 + 0.5)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (9, 9), 1), 255),
        (Image.new("L", (9, 9), 77), 77),
        (Image.new("LA", (9, 9), (77, 255)), 77),
        (Image.new("LA", (9, 9), (77, 0)), 255),
        (Image.new("RGB", (9, 9), (77, 77, 77)), 77),
        (Image.new("RGB", (9, 9), RED).quantize(4), RED),
        (Image.new("RGBA", (9, 9), (*RED, 255)), RED),
        (Image.new("RGBA", (9, 9), (*RED, 0)), 255),
        (Image.new("RGBA", (9, 9), (0, 0, 255, 51)), (204, 204, 255)),
    ],
)
def test_modes(image, expected):
    assert uniform(saved(image)) == expected


def test_a_transparent_colour_of_a_palette_is_white():
    assert uniform(saved(Image.new("P", (9, 9), 3), "GIF", transparency=3)) == 255


def test_cmyk():
    cyan = saved(Image.new("CMYK", (9, 9), (255, 0, 0, 0)), "TIFF")
    assert uniform(cyan) == (0, 255, 255)


def test_floats_from_0_to_1():
    halves = Image.fromarray(np.full((9, 9), 0.5, np.float32))
    assert uniform(saved(halves, "TIFF")) == 128
    with pytest.raises(ImageError, match="outside 0 to 1"):
        uniform(saved(Image.fromarray(np.full((9, 9), 2.0, np.float32)), "TIFF"))


def test_the_first_frame_of_an_animation():
    frames = [Image.new("RGB", (9, 9), colour) for colour in (RED, (0, 0, 255))]
    for kind in ("GIF", "PNG", "TIFF"):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        assert uniform(content) == RED


def halves(width=20, height=10):
    """Left half black, right half white."""
    image = Image.new("L", (width, height))
    image.paste(255, (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize(
    ("orientation", "dark_side"), [(1, "left"), (3, "right"), (6, "top"), (8, "bottom")]
)
def test_rotations_of_exif(orientation, dark_side):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("JPEG", "PNG", "WEBP"):
        pixels = decode(saved(halves(16, 16), kind, exif=exif), 16, "crop").pixels
        sides = {"left": pixels[:, :6], "right": pixels[:, 10:]}
        sides |= {"top": pixels[:6], "bottom": pixels[10:]}
        assert sides[dark_side].max() < 10, kind
        assert sum(side.max() < 10 for side in sides.values()) == 1


def test_crop_takes_the_middle():
    stripes = np.repeat(np.array([10, 90, 200], np.uint8), [5, 10, 5])
    image = Image.fromarray(np.tile(stripes, (10, 1)))
    assert (decode(saved(image), 10, "crop").pixels == 90).all()


def test_pad_adds_black():
    pixels = decode(saved(Image.new("L", (20, 10), 90)), 8, "pad").pixels
    assert pixels[:, 0].tolist() == [0, 0, 90, 90, 90, 90, 0, 0]
    assert (pixels == pixels[:, :1]).all()


def test_stretch_keeps_all():
    pixels = decode(saved(halves()), 8, "stretch").pixels
    assert (pixels[:, 0] < 5).all()
    assert (pixels[:, -1] > 250).all()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (7, 9)])
def test_every_shape_becomes_square(fit, size):
    assert decode(saved(Image.new("RGB", size, RED)), 16, fit).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize("fit", FITS)
def test_a_square_of_the_right_size_keeps_its_pixels(fit):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert (decode(saved(Image.fromarray(pixels)), 16, fit).pixels == pixels).all()


def test_shrinking_averages():
    """Antialiasing: a board of black and white pixels becomes grey, not black or white."""
    board = np.indices((64, 64)).sum(0) % 2 * 255
    pixels = decode(saved(Image.fromarray(board.astype(np.uint8))), 8, "crop").pixels
    assert abs(pixels.astype(int) - 127).max() < 6


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not an image"),
        (b"a,b\n1,2\n", "not an image"),
        (saved(Image.effect_noise((40, 40), 90), "JPEG")[:-300], "truncated"),
        (saved(Image.effect_noise((40, 40), 90))[:-400], "truncated|damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_what_is_no_image_is_refused(content, problem):
    with pytest.raises(ImageError, match=problem):
        decode(content, 8, "crop")


def test_a_damaged_pixel_of_a_png_is_found_by_its_checksum():
    content = bytearray(saved(Image.effect_noise((40, 40), 90)))
    content[len(content) // 2] ^= 1
    with pytest.raises(ImageError):
        decode(bytes(content), 8, "crop")
