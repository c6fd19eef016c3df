"""What the notebook shows: a comparison, in pictures that keep its file small."""

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image
from PIL.Image import Quantize

from benchmarks.analysis.evidence import find
from benchmarks.errors import UsageError
from benchmarks.planning.protocol import AUTO
from benchmarks.records.storage import open_folder
from benchmarks.records.store import RecordStore

ROOT = Path(__file__).parents[2]
DATASET = "fashion_mnist"
QUICK = "quick"  # the protocol that is shown of several

_DPI = 100


def comparison(
    results: str | None = None, dataset: str | None = None, protocol: str | None = None
) -> Path:
    """The folder of a comparison.

    Args:
        results: folder or URL; None: `results/` if it has the comparison, or else what was shipped.
        dataset: None: Fashion-MNIST.
        protocol: a name; None or auto: `quick`, or else the only one.

    Raises:
        UsageError: there are no records, or of several protocols none is `quick`.
    """
    dataset, protocol = dataset or DATASET, protocol or AUTO
    own = open_folder(results) if results else ROOT / "results"
    roots = [own] if results else [own, ROOT / "results" / "reference"]
    root = next((each for each in roots if _has(each, dataset, protocol)), own)
    is_quick = protocol == AUTO and QUICK in _protocols(root, dataset)
    return find(root, dataset, QUICK if is_quick else protocol)


def _has(root: Path, dataset: str, protocol: str) -> bool:
    if protocol == AUTO:
        return bool(_protocols(root, dataset))
    try:
        find(root, dataset, protocol)
    except UsageError:
        return False
    return True


def _protocols(root: Path, dataset: str) -> list[str]:
    """The protocols under which a dataset has records."""
    folders = RecordStore(root).folders()
    return [folder.name for folder in folders if folder.parent.name == dataset]


def small_png(figure: Figure) -> bytes:
    """A figure as PNG with a palette, which takes a third of the bytes of one with all colours.

    The default method would merge colours of few pixels, such as those of two nets' points.
    """
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI, bbox_inches="tight")
    palette = Image.open(drawn).convert("RGB").quantize(method=Quantize.MAXCOVERAGE, kmeans=1)
    palette.save(small, "png", optimize=True)
    return small.getvalue()
