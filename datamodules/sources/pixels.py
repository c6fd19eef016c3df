"""The pixels of an image file, whichever format, mode and size it has."""

import io
import logging
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from datamodules.dataset import FITS

# Formats that a signature identifies, so that no text file is taken for an image. EPS and WMF are
# left out: reading them runs other programs.
FORMATS = (
    *("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "AVIF", "PPM", "SGI", "PSD"),
    *("QOI", "DDS"),
)
BACKGROUND = (255, 255, 255)  # under transparent pixels
MAX_PIXELS = 2**28

# What is wrong with an image is said by ImageError.
logging.getLogger("PIL").setLevel(logging.CRITICAL)


class ImageError(ValueError):
    """A file that cannot be read as an image; the message says why."""


@dataclass(frozen=True)
class Decoded:
    """An image file: uint8 pixels, (size, size) if all of them are grey, or (size, size, 3)."""

    pixels: np.ndarray
    format: str  # of the file
    size: tuple[int, int]  # width and height in the file


def decode(content: bytes, size: int, fit: str | None = None) -> Decoded:
    """Decode the first frame of an image file, upright, to `size` x `size` pixels.

    Sixteen bits become eight by rounding. Transparent pixels are laid on white.

    Args:
        content: of the file, in any of `FORMATS`; its name counts for nothing.
        size: height and width of the result.
        fit: how an image becomes square: `crop` scales its shorter side and cuts the middle out,
            `pad` scales its longer side and adds black, `stretch` scales each side. Scaling is
            bilinear, with antialiasing. None: an image of another size is refused.

    Raises:
        ImageError: the file is damaged, or no image, or of another size.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            kind = "JPEG" if image.format == "MPO" else str(image.format)
            before = image.size
            if before[0] * before[1] > MAX_PIXELS:
                raise ImageError(f"{before[0]} x {before[1]} px, more than {MAX_PIXELS:,} pixels")
            image.verify()  # checks the checksums, which decoding ignores
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            with suppress(Exception):  # damaged EXIF: as stored, as viewers show it
                image = ImageOps.exif_transpose(image)
            upright = _eight_bits(image)
    except ImageError:
        raise
    except Exception as error:  # depends on the format, and on where the damage lies
        raise ImageError(_reason(error)) from None
    if fit is None and before != (size, size):
        raise ImageError(f"{before[0]} x {before[1]} px, not {size} x {size}")
    pixels = np.asarray(_square(upright, size, fit))
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0].copy()
    return Decoded(pixels, kind, before)


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and "truncated" in str(error):
        return "truncated"
    return "damaged"


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB."""
    if image.mode.startswith("I"):
        return _from_integers(image)
    if image.mode == "F":
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 1):
            raise ImageError("floating-point pixels outside 0 to 1")
        return Image.fromarray(np.rint(values * 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image).convert(
            "RGB"
        )
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _from_integers(image: Image.Image) -> Image.Image:
    """Of mode I;16, or of mode I, in which some formats keep 16 bits too."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65_535:
        raise ImageError("integer pixels outside 0 to 65,535")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _square(image: Image.Image, size: int, fit: str | None) -> Image.Image:
    bilinear = Image.Resampling.BILINEAR
    match fit:
        case None:
            return image
        case "crop":
            return ImageOps.fit(image, (size, size), bilinear)
        case "pad":
            scale = size / max(image.size)
            width, height = (max(1, round(side * scale)) for side in image.size)
            square = Image.new(image.mode, (size, size))
            square.paste(
                image.resize((width, height), bilinear), ((size - width) // 2, (size - height) // 2)
            )
            return square
        case "stretch":
            return image.resize((size, size), bilinear)
        case _:
            raise ValueError(f"unknown fit {fit!r}; choose from {', '.join(FITS)}")
