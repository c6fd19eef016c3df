"""The overview of all studies: question, paragraph, picture and verdicts of each."""

import json
from pathlib import Path

from benchmarks import studies
from benchmarks.records.storage import lock, quarantine, write_atomic
from benchmarks.studies.base.study import ABOUT

_HEAD = "# Studies\n\nMade by `make study` and `make report`; do not edit."


def write(folder: Path) -> None:
    """Write `README.md` from the files of the studies.

    Args:
        folder: `<results>/studies`.
    """
    with lock(folder, "overview"):
        measured = sorted(path.parent for path in folder.glob("*/table.md"))
        parts = [_HEAD, *map(_section, measured)]
        write_atomic(folder / "README.md", "\n\n".join(parts) + "\n")


def _section(folder: Path) -> str:
    name = folder.name
    parts = [f"## [{name}]({name}/table.md)", _question(name)]
    if (folder / ABOUT).exists():
        parts.append((folder / ABOUT).read_text(encoding="utf-8").strip())
    if (folder / "plots" / f"{name}.png").exists():
        parts.append(f"![{name}]({name}/plots/{name}.png)")
    parts.append("\n".join(f"- {sentence}" for sentence in _sentences(folder / "verdicts.json")))
    return "\n\n".join(filter(None, parts))


def _question(name: str) -> str:
    try:
        return studies.question(name)
    except (ImportError, SyntaxError, OSError):
        return ""  # a study from outside that is not there any more


def _sentences(path: Path) -> list[str]:
    try:
        return [verdict["sentence"] for verdict in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        quarantine(path, error)
        return []
