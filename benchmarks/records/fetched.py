"""Results of elsewhere, for as long as they are read: behind a URL, or in an archive."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from benchmarks.errors import UsageError
from benchmarks.records.storage import open_folder
from datamodules import DataError
from datamodules.sources import files

STALLED_SECONDS = 20.0  # without a byte
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2")

# What conclusions are drawn from, below the folder of a comparison.
_KEPT = {"runs": ".json", "predictions": ".npz"}


@contextmanager
def fetched(name: str) -> Iterator[Path]:
    """A folder of results on this machine, in the block.

    Args:
        name: a folder, a zip or tar archive of one, or the URL of either. A folder behind http(s)
            is one whose files the server lists, as `python -m http.server` does.

    Raises:
        UsageError: nothing answers at the URL, it has no records, or the archive is damaged.
    """
    is_archive = name.partition("?")[0].endswith(ARCHIVES)
    with _answered(name):
        source = open_folder(name)
    if isinstance(source, Path) and not (is_archive and source.is_file()):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="cnn-benchmarks-") as made:
        results = Path(made) / "results"
        results.mkdir()
        if not is_archive:
            _download_folder(name, results)
        elif isinstance(source, Path):
            _unpack(source, results, name)
        else:
            archive = Path(made) / "archive"
            with _answered(name):
                system, url = _file_system(name)
                system.get_file(url, str(archive))
            _unpack(archive, results, name)
        yield _root(results, name)


@contextmanager
def _answered(name: str) -> Iterator[None]:
    """Say in one line that a URL cannot be read."""
    try:
        yield
    except UsageError:
        raise
    except FileNotFoundError:
        raise UsageError(f"{name} cannot be read: nothing is there") from None
    except Exception as error:  # each library has its own for a network that is down
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(f"{name} cannot be read: {why}") from None


def _file_system(name: str) -> tuple[Any, str]:
    """The file system that serves a URL, and the URL's name in it."""
    from fsspec.core import url_to_fs

    options = {}
    if name.startswith(("http://", "https://")):
        from aiohttp import ClientTimeout

        limit = ClientTimeout(total=None, sock_connect=STALLED_SECONDS, sock_read=STALLED_SECONDS)
        options = {"client_kwargs": {"timeout": limit}}
    return url_to_fs(name, **options)


def _download_folder(name: str, folder: Path) -> None:
    with _answered(name):
        system, root = _file_system(name.rstrip("/"))
        comparisons = [root]
        if f"{root}/runs" not in (datasets := _folders(system, root)):
            comparisons = [below for dataset in datasets for below in _folders(system, dataset)]
        found = [
            path
            for comparison in comparisons
            for kind, suffix in _KEPT.items()
            for path in system.glob(f"{comparison}/{kind}/*{suffix}")
        ]
        places = [_place(folder, unquote(path.removeprefix(root))) for path in found]
        known = {path: place for path, place in zip(found, places, strict=True) if place}
        system.get(list(known), [str(place) for place in known.values()])


def _folders(system: Any, folder: str) -> list[str]:
    entries = system.ls(folder, detail=True)
    return [each["name"].rstrip("/") for each in entries if each["type"] == "directory"]


def _unpack(archive: Path, folder: Path, name: str) -> None:
    """The records and predictions of an archive; nothing else is written."""
    try:
        for file in files.read(archive):
            place = _place(folder, "/".join(file.parts))
            if place is None or file.is_folder:
                continue
            if file.content is None:
                raise UsageError(f"{name} is damaged: {file.name} {file.problem}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.content)
    except DataError:
        raise UsageError(f"{name} is damaged, or neither a zip nor a tar archive") from None


def _place(folder: Path, name: str) -> Path | None:
    """Where a file goes; None for what is not kept, and for names that lead out of the folder."""
    parts = [part for part in PurePosixPath(name).parts if part != "/"]
    is_kept = len(parts) > 1 and _KEPT.get(parts[-2]) == PurePosixPath(name).suffix
    return folder.joinpath(*parts) if is_kept and ".." not in parts else None


def _root(folder: Path, name: str) -> Path:
    """The folder of results, or of one comparison, that lies highest.

    Raises:
        UsageError: there is none.
    """
    comparisons = sorted(
        {path.parent.parent for path in folder.rglob("runs/*.json")}, key=lambda f: len(f.parts)
    )
    if not comparisons:
        raise UsageError(
            f"no records at {name}; give a folder of results whose files its server lists, "
            f"or an archive of one ({', '.join(ARCHIVES)})"
        )
    depth = len(comparisons[0].relative_to(folder).parts)
    return comparisons[0].parent.parent if depth > 1 else comparisons[0]
