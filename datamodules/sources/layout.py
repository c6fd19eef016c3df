"""Which split and class each file of a folder or archive belongs to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile

from datamodules.dataset import DataError
from datamodules.sources.files import File, printable

TRAIN, TEST, VALIDATION = "train", "test", "val"

# Names of split folders, in any case.
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("test", "testing"), TEST),
    **dict.fromkeys(("val", "valid", "validation"), VALIDATION),
}

_HINT = "put images into train/<class>/ and test/<class>/, or all of them into <class>/"


@dataclass(frozen=True)
class Layout:
    """The folders `train/<class>/` and `test/<class>/` below `root`, or `<class>/` alone.

    `splits` maps the name of each split folder to `TRAIN`, `TEST` or, where a folder is not used,
    `VALIDATION`; it is empty if there are class folders alone.
    """

    root: tuple[str, ...]
    splits: dict[str, str]

    def place(self, file: File) -> tuple[str, str] | None:
        """The split (empty if there is none) and the class of a file or of a class folder.

        None: it lies outside the class folders, or is a folder above or below one.
        """
        depth = len(self.root)
        if file.parts[:depth] != self.root:
            return None
        below = file.parts[depth:]
        split = ""
        if self.splits:
            if not below or below[0] not in self.splits:
                return None
            split, below = self.splits[below[0]], below[1:]
        if len(below) != 1 if file.is_folder else len(below) < 2:
            return None
        return split, below[0]


def find(files: Iterable[File], is_image_name: Callable[[str], bool], where: object) -> Layout:
    """Find the layout of files and folders.

    Args:
        files: all of them; contents do not matter.
        is_image_name: whether a name has the suffix of an image.
        where: names the folder or archive in messages.

    Raises:
        DataError: no class folders, one class alone, or one split alone.
    """
    files = list(files)
    split_folders = _split_folders(files)
    if split_folders:
        roots = sorted({folder[:-1] for folder in split_folders}, key=lambda r: (len(r), r))
        if len(roots) > 1 and len(roots[0]) == len(roots[1]):
            several = " and ".join("/".join((*root, "")) or "./" for root in roots[:2])
            raise DataError(f"{where} holds several datasets, in {printable(several)}: name one")
        names = sorted(folder[-1] for folder in split_folders if folder[:-1] == roots[0])
        return Layout(roots[0], _splits(names, where))
    folders = _leaf_folders(files, is_image_name)
    if not folders:
        raise DataError(f"{where} holds no images; {_HINT}")
    root = _common(folders)
    if len(set(folders)) == 1:
        place = printable("/".join(root)) or "one folder"
        raise DataError(f"{where} holds one class ({place}) and a net needs two; {_HINT}")
    return Layout(root, {})


def _common(folders: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The innermost folder that all of them lie in."""
    levels = takewhile(lambda names: len(set(names)) == 1, zip(*folders, strict=False))
    return tuple(names[0] for names in levels)


def _split_folders(files: list[File]) -> set[tuple[str, ...]]:
    """The outermost folder of each file that is named like a split and holds class folders."""
    found = set()
    for file in files:
        folders = file.parts if file.is_folder else file.parts[:-1]
        for depth, part in enumerate(folders[:-1]):
            if part.casefold() in _SPLIT_NAMES:
                found.add(folders[: depth + 1])
                break
    return found


def _splits(names: list[str], where: object) -> dict[str, str]:
    splits = {name: _SPLIT_NAMES[name.casefold()] for name in names}
    kinds = list(splits.values())
    if TRAIN not in kinds:
        raise DataError(f"{where} has {names[0]}/ but no train/; {_HINT}")
    if len(kinds) == 1:
        raise DataError(
            f"{where} has {names[0]}/ but no test/, val/ or valid/; name the folder {names[0]} "
            "itself to have it split"
        )
    if len(set(kinds)) < len(kinds):
        raise DataError(f"{where} has {', '.join(names)}, of which two mean the same; rename one")
    if TEST not in kinds:
        splits = {name: TEST if kind == VALIDATION else kind for name, kind in splits.items()}
    return splits


def _leaf_folders(files: list[File], is_image_name: Callable[[str], bool]) -> list[tuple[str, ...]]:
    """The folder of every image, and every folder that holds nothing."""
    images = [f.parts[:-1] for f in files if not f.is_folder and is_image_name(f.parts[-1])]
    images = images or [f.parts[:-1] for f in files if not f.is_folder and len(f.parts) > 1]
    filled = {f.parts[:depth] for f in files for depth in range(len(f.parts))}
    empty = [f.parts for f in files if f.is_folder and f.parts not in filled]
    return images + empty if images else []
