"""A picture of a few images of each class, as a net gets them."""

import io

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from datamodules.dataset import SEGMENTATION, ImageDataset
from datamodules.transforms import resize

COLUMNS = {"train": 8, "test": 4}
ROWS = 50  # classes that are shown at most
SHOWN_SIZE = 64  # px, at least: smaller images are enlarged by a whole number
MARGIN, LABEL_WIDTH = 4, 150


def contact_sheet(dataset: ImageDataset, image_size: int) -> bytes:
    """Draw a row of training and test images for each class, the test images on the right.

    Returns a PNG file.

    A dataset of masks has one row of images above a row of their masks.

    Args:
        image_size: height and width in pixels of the images that a net gets.
    """
    rows = _of_masks(dataset) if dataset.task == SEGMENTATION else _by_class(dataset)
    enlarged = -(-SHOWN_SIZE // image_size)
    step = image_size * enlarged + MARGIN
    gap = step // 2  # between training and test images
    width = LABEL_WIDTH + gap + step * sum(COLUMNS.values())
    sheet = Image.new("RGB", (width, step * len(rows) + 20), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    starts = (LABEL_WIDTH, LABEL_WIDTH + gap + step * COLUMNS["train"])
    for split, left in zip(COLUMNS, starts, strict=True):
        draw.text((left, 3), split, "black", font)
    for row, (label, *parts) in enumerate(rows):
        top = 20 + row * step
        draw.text((4, top + step // 2 - 8), label, "black", font)
        for images, left in zip(parts, starts, strict=True):
            for column, image in enumerate(resize(images, image_size)):
                pixels = _rgb(image).repeat(enlarged, axis=0).repeat(enlarged, axis=1)
                sheet.paste(Image.fromarray(pixels), (left + column * step, top))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


Row = tuple[str, torch.Tensor, torch.Tensor]  # a label, training and test images


def _by_class(dataset: ImageDataset) -> list[Row]:
    rows = []
    for number, name in enumerate(dataset.classes[:ROWS]):
        shown = []
        for split, count in COLUMNS.items():
            labels = getattr(dataset, f"{split}_labels")
            chosen = (labels == number).nonzero()[:count, 0]
            shown.append(getattr(dataset, f"{split}_images")[chosen])
        rows.append((name[:22], shown[0], shown[1]))
    return rows


def _of_masks(dataset: ImageDataset) -> list[Row]:
    rows = []
    for label, kind in (("image", "images"), ("mask", "labels")):
        train, test = (
            getattr(dataset, f"{split}_{kind}")[:count] for split, count in COLUMNS.items()
        )
        if kind == "labels":  # classes as greys
            scale = 255 // max(1, len(dataset.classes) - 1)
            train, test = (train[:, None] * scale, test[:, None] * scale)
        rows.append((label, train, test))
    return rows


def _rgb(image: torch.Tensor) -> np.ndarray:
    """uint8 (H, W, 3) of an image (1 or 3, H, W)."""
    return image.expand(3, -1, -1).permute(1, 2, 0).numpy()
