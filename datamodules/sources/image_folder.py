"""Images by class in a folder or archive: `train/<class>/*`, `test/<class>/*`; or `<class>/*`."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import Any, TypeVar

import torch
from PIL import Image

from datamodules.dataset import DataError
from datamodules.sources import layout, pixels
from datamodules.sources.cache import SPLITS, Decoded, images_in
from datamodules.sources.files import File, printable, read
from datamodules.sources.layout import TEST, TRAIN, Layout
from datamodules.sources.spool import Kept, Spool

TEST_SHARE = 0.2  # of the images that no folder splits
CHUNK = 32  # files decoded at a time; images of cameras take 10 MB each

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Example:
    """A file of an image, decoded into a spool."""

    file: File  # without its content
    digest: str  # of the content, or of the name where it cannot be read
    image: Kept | None
    problem: str = ""  # why it could not be decoded
    split: str = ""
    label: str = ""  # name of the class


def decode(
    path: Path,
    classes: Sequence[str] | None = None,
    *,
    size: int,
    fit: str | None = None,
    skip_damaged: bool = False,
    scratch: Path | None = None,
) -> Decoded:
    """Decode every image of a folder, tar or zip archive.

    Where the folders do not split the images, a hash of each file's content does: equal files are
    on the same side, and a file stays on its side if others are added.

    Args:
        path: of the folder or archive.
        classes: the classes that there must be, and their order. The images become RGB, in order of
            their files' names. None: those there are, by name. Grey images then stay grey if all
            are, and the order does not depend on the files' names.
        size: height and width of the decoded images.
        fit: see `pixels.decode`.
        skip_damaged: leave files out that cannot be read.
        scratch: a folder for the images if they are too many to be sorted in memory; they are then
            returned in a file there (see `cache.Decoded`). None: all are sorted in memory.

    Raises:
        DataError: a damaged archive; no room for the images; or images that cannot be read, classes
            without images and all other problems in one message.
    """
    with Spool(path, size, scratch) as spool:
        return _decode(spool, path, classes, size=size, fit=fit, skip_damaged=skip_damaged)


def _decode(
    spool: Spool,
    path: Path,
    classes: Sequence[str] | None,
    *,
    size: int,
    fit: str | None,
    skip_damaged: bool,
) -> Decoded:
    examples = list(_decoded(path, size, fit, spool))
    found = layout.find([e.file for e in examples], is_image_name, path)
    problems = _Problems(path)
    placed = _placed(examples, found, problems)
    files = [e for e in placed if not e.file.is_folder and e.split != layout.VALIDATION]
    damaged = [f"{e.file.name} ({e.problem})" for e in files if e.problem]
    if skip_damaged:
        files = [e for e in files if e.image]
    else:
        problems.add("{} files that cannot be read", *damaged)
    present = sorted({e.label for e in placed if e.split != layout.VALIDATION})
    if classes is not None:
        problems.add("{} unknown classes", *(set(present) - set(classes)))
    known = present if classes is None else list(classes)
    if not found.splits:
        files = _split_by_content(files)
    _check_classes(files, known, problems, was_split=bool(found.splits))
    problems.raise_if_any(can_skip=bool(damaged) and not skip_damaged and classes is None)
    usable = [e for e in files if e.image]
    order = _by_name if classes is not None else _by_content
    usable.sort(key=lambda example: order(example, known))
    channels = 3 if classes is not None else max(e.image.channels for e in usable if e.image)
    return {
        "classes": [printable(name) for name in known],
        "format": _listed(sorted({e.image.format for e in usable if e.image})),
        "layout": _described(found, placed),
        "formats": dict(Counter(e.image.format for e in usable if e.image)),
        "sizes": dict(Counter(e.image.size for e in usable if e.image)),
        "skipped": damaged,
        "notes": _notes(usable),
        **_tensors(usable, known, channels, spool),
    }


def _placed(examples: list[Example], found: Layout, problems: "_Problems") -> list[Example]:
    """The files in class folders, and the class folders themselves, with their split and class."""
    placed = []
    for example in examples:
        if place := found.place(example.file):
            placed.append(replace(example, split=place[0], label=place[1]))
        elif not example.file.is_folder and is_image_name(example.file.parts[-1]):
            problems.add("{} images outside the class folders", example.file.name)
    return placed


class _Problems:
    """Collects all that is wrong with a folder, by kind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, list[str]] = {}

    def add(self, kind: str, *names: str) -> None:
        """Note files or classes; `kind` has `{}` for their number, in the plural."""
        if names:
            self._found.setdefault(kind, []).extend(map(printable, names))

    def raise_if_any(self, can_skip: bool) -> None:
        if not self._found:
            return
        told = []
        for kind, names in self._found.items():
            first, *rest = sorted(names)
            few = f", the first {first}" if len(rest) > 2 else f": {', '.join([first, *rest])}"
            text = kind.format(f"{len(names):,}")
            if len(names) == 1:
                text = text.replace("files", "file", 1).replace("images out", "image out", 1)
                text = text.replace("classes", "class", 1)
            told.append(f"{text}{few}")
        remedy = "; --skip-damaged leaves unreadable files out" if can_skip else ""
        raise DataError(f"{self._path} has {'; '.join(told)}{remedy}")


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def is_image_name(name: str) -> bool:
    """Whether the name of a file has a suffix of image files."""
    suffix = PurePath(name).suffix.casefold()
    return suffix in Image.registered_extensions() or suffix in (".heic", ".heif", ".jxl")


def _decoded(path: Path, size: int, fit: str | None, spool: Spool) -> Iterator[Example]:
    """Every file, decoded into the spool if it lies in a folder."""

    def one(file: File) -> tuple[Example, pixels.Decoded | None]:
        bare = replace(file, content=None)
        if file.content is None or len(file.parts) < 2:
            digest = hashlib.sha256("/".join(file.parts).encode("utf-8", "surrogateescape"))
            return Example(bare, digest.hexdigest(), None, file.problem), None
        content = hashlib.sha256(file.content).hexdigest()
        try:
            return Example(bare, content, None), pixels.decode(file.content, size, fit)
        except pixels.ImageError as error:
            return Example(bare, content, None, str(error)), None

    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")  # of Pillow, about metadata and large images
        for chunk in _chunks(read(path)):
            for example, image in pool.map(one, chunk):
                yield replace(example, image=spool.keep(image)) if image else example


def _chunks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    items = iter(items)
    while chunk := list(islice(items, CHUNK)):
        yield chunk


def _split_by_content(examples: list[Example]) -> list[Example]:
    """Put each content on a side by its hash; a class of two or more has some on either side."""
    side = {e.digest: TEST if _fraction(e.digest) < TEST_SHARE else TRAIN for e in examples}
    for label in {e.label for e in examples}:
        own = sorted({e.digest for e in examples if e.label == label}, key=_fraction)
        if len(own) > 1:
            if all(side[digest] == TRAIN for digest in own):
                side[own[0]] = TEST
            elif all(side[digest] == TEST for digest in own):
                side[own[-1]] = TRAIN
    return [replace(e, split=side[e.digest]) for e in examples]


def _fraction(digest: str) -> float:
    return int(digest[:13], 16) / 16**13


def _check_classes(
    examples: list[Example], classes: Sequence[str], problems: _Problems, was_split: bool
) -> None:
    counts = {split: Counter(e.label for e in examples if e.split == split) for split in SPLITS}
    if was_split:
        for split, words in ((TRAIN, "training"), (TEST, "test")):
            without = [name for name in classes if not counts[split][name]]
            problems.add(f"{{}} classes without a {words} image", *without)
    else:
        without = [n for n in classes if not (counts[TRAIN][n] and counts[TEST][n])]
        problems.add("{} classes with fewer than two different images", *without)
    if len(classes) < 2:
        problems.add("{} classes in all, and a net needs two", *classes)


def _by_name(example: Example, classes: Sequence[str]) -> tuple:
    return ("/".join(example.file.parts),)


def _by_content(example: Example, classes: Sequence[str]) -> tuple:
    return example.label, example.digest, example.file.parts


def _tensors(
    examples: list[Example], classes: Sequence[str], channels: int, spool: Spool
) -> dict[str, Any]:
    """Images, uint8 (N, channels, size, size), or their file; labels, int64 (N,), of each split."""
    numbers = {name: number for number, name in enumerate(classes)}
    tensors: dict[str, Any] = {}
    images = {s: [e.image for e in examples if e.split == s and e.image] for s in SPLITS}
    for split in SPLITS:
        labels = [numbers[e.label] for e in examples if e.split == split]
        tensors[f"{split}_labels"] = torch.tensor(labels)
    if spool.is_large:
        file = spool.write(chain(*images.values()), channels)
        shapes = {
            split: (len(own), channels, spool.size, spool.size) for split, own in images.items()
        }
        return tensors | images_in(file, shapes)
    return tensors | {f"{s}_images": spool.tensor(own, channels) for s, own in images.items()}


def _described(found: Layout, placed: list[Example]) -> str:
    """How the images were split, in words."""
    if not found.splits:
        return "split 80 : 20 by content"
    used = {kind: name for name, kind in found.splits.items()}
    text = f"{used[TRAIN]}/ and {used[TEST]}/"
    if layout.VALIDATION in used:
        unused = sum(e.split == layout.VALIDATION and not e.file.is_folder for e in placed)
        text += f", the {unused:,} in {used[layout.VALIDATION]}/ not used"
    return printable(text)


def _notes(examples: list[Example]) -> list[str]:
    """What is odd about a dataset that can be trained on."""
    notes = []
    trained = {e.digest for e in examples if e.split == TRAIN}
    if seen := sum(e.digest in trained for e in examples if e.split == TEST):
        notes.append(f"test images that are among the training images too: {seen:,}")
    labels: dict[str, set[str]] = {}
    for example in examples:
        labels.setdefault(example.digest, set()).add(example.label)
    if ambiguous := sum(len(own) > 1 for own in labels.values()):
        notes.append(f"images in two or more classes: {ambiguous:,}")
    return notes
