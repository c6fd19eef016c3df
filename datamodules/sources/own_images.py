"""Images of one's own: a folder or archive, in any of the usual layouts, as a dataset."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from datamodules import folder_name
from datamodules.dataset import DatasetRequest, ImageDataset, ImageFiles
from datamodules.sources import cache, image_folder
from datamodules.sources.files import content_key, printable


def load(request: DatasetRequest, data_dir: Path) -> ImageDataset:
    """Decode the images, or read them from their cache in `data_dir`.

    If the request has the key of a cache that is there, the images themselves are not read.

    Raises:
        DataError: see `image_folder.decode`.
    """
    path = request.path
    name, key = printable(path.name), request.key
    decoded = cache.find(name, key, data_dir) if key else None
    if decoded is None:
        settings = f"{request.image_size} {request.fit} {request.skip_damaged}"
        key = f"{settings} {content_key(path)}"
        with cache.scratch_folder(data_dir) as scratch:
            decode = partial(_decode, request, scratch)
            decoded = cache.load_or_decode(name, key, data_dir, decode)
    own = folder_name(request.name)
    counts = " + ".join(f"{len(decoded[f'{split}_labels']):,}" for split in cache.SPLITS)
    facts = [decoded["format"], decoded["layout"], counts]
    if skipped := len(decoded["skipped"]):
        facts.append(f"{skipped:,} damaged {'file' if skipped == 1 else 'files'} left out")
    return ImageDataset(
        name=own,
        source=f"{own} ({', '.join(facts)})",
        digest=decoded["digest"],
        classes=tuple(decoded["classes"]),
        mean=tuple(decoded["mean"]),
        std=tuple(decoded["std"]),
        files=ImageFiles(
            key=key,
            formats=decoded["formats"],
            sizes=decoded["sizes"],
            skipped=tuple(decoded["skipped"]),
            notes=tuple(decoded["notes"]),
        ),
        images_file=decoded.get(cache.FILE),
        **{tensor: decoded[tensor] for tensor in cache.TENSORS},
    )


def _decode(request: DatasetRequest, scratch: Path | None) -> cache.Decoded:
    decoded = image_folder.decode(
        request.path,
        size=request.image_size,
        fit=request.fit,
        skip_damaged=request.skip_damaged,
        scratch=scratch,
    )
    decoded["mean"], decoded["std"] = statistics(cache.train_images(decoded))
    return decoded


def statistics(images: Iterable[Tensor | np.ndarray]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of uint8 images (C, H, W), scaled to [0, 1].

    Pixels are counted by value, so the result depends neither on the device nor on the number of
    threads, and one image at a time is in memory. A channel of one value only has the deviation 1.
    """
    counts: list[np.ndarray] = []
    for image in images:
        planes = np.asarray(image).reshape(len(image), -1)
        counts = counts or [np.zeros(256, np.int64) for _ in planes]
        for own, plane in zip(counts, planes, strict=True):
            own += np.bincount(plane, minlength=256)
    means, deviations, values = [], [], np.arange(256) / 255
    for own in counts:
        shares = own / own.sum()
        mean = float(shares @ values)
        deviation = float(np.sqrt(shares @ (values - mean) ** 2))
        means.append(round(mean, 6))
        deviations.append(round(deviation, 6) or 1.0)
    return means, deviations
