"""The verb `images`: test images that nets get wrong, with true and predicted classes."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import datamodules
from benchmarks.analysis.evidence import Evidence, find
from benchmarks.analysis.mistakes import Mistakes
from benchmarks.errors import UsageError, check_known
from benchmarks.records.storage import check_writable
from benchmarks.report.image_sheet import Group, Tile, image_sheet
from benchmarks.report.style import save
from datamodules import DatasetRequest, ImageDataset, safe_name

MOST = 32  # images of a sheet


def images(args: Namespace) -> int:
    folder = find(args.results, datamodules.folder_name(args.dataset), args.protocol)
    evidence = Evidence.load(folder)
    nets = _nets(evidence, [name for name in (args.a, args.b) if name])
    dataset = _dataset(evidence, args)
    check_writable(folder / "plots")
    sheets = _Sheets(evidence, dataset.test_images.numpy())
    sheets.hardest()
    for net in nets:
        sheets.confidently_wrong(net)
    if len(nets) == 2:
        sheets.separating(*nets)
    else:
        others = ", ".join(net for net in evidence.classified if net not in nets)
        advice = f"name a second one of {others}" if others else f"only {nets[0]} left predictions"
        print(f"no images that separate two models: {advice}")
    return 0


def _nets(evidence: Evidence, named: Sequence[str]) -> list[str]:
    """The named models, or else the two best."""
    kept, folder = evidence.classified, evidence.folder
    if not kept:
        raise UsageError(f"no model left predictions of classes in {folder}; FORCE=1 trains again")
    for name in named:
        check_known("model", name, evidence.runs)
        if name not in kept:
            raise UsageError(f"{name} left no predictions in {folder}; train it again with FORCE=1")
    if len(named) == 2 and named[0] == named[1]:
        raise UsageError(f"{named[0]} is named twice; no image separates it from itself")
    right = {net: np.mean([each.correct for each in runs]) for net, runs in kept.items()}
    return list(named) or sorted(kept, key=lambda net: -right[net])[:2]


def _dataset(evidence: Evidence, args: Namespace) -> ImageDataset:
    """The dataset, whose test images are those that were predicted."""
    setups = [record.setup for runs in evidence.runs.values() for record in runs]
    request = DatasetRequest(args.dataset)
    if datamodules.is_path(args.dataset):
        # As all runs of a sweep share their images: see `SweepConfig.data`.
        size, fit = max(setup.image_size for setup in setups), setups[0].settings["fit"]
        request = DatasetRequest(args.dataset, size, fit, args.skip_damaged)
    if any(setup.settings.get("validation_examples") for setup in setups):
        raise UsageError(
            f"{evidence.folder} has predictions of held-out training images, not of test images"
        )
    dataset = datamodules.load(request, args.data_dir)
    labels = evidence.labels
    assert labels is not None
    if not np.array_equal(dataset.test_labels, labels.true) or dataset.classes != labels.classes:
        raise UsageError(
            f"the test images of {dataset.name} are not those that {evidence.folder} has "
            "predictions of; train again with FORCE=1"
        )
    return dataset


@dataclass(frozen=True, eq=False)
class _Sheets:
    """Draws sheets of the evaluated images, uint8 (n, C, H, W), and writes them."""

    evidence: Evidence
    images: np.ndarray

    @cached_property
    def mistakes(self) -> Mistakes:
        return Mistakes(self.evidence.classified)

    def hardest(self) -> None:
        found, nets = self.mistakes.hardest(), [*self.mistakes.predictions]
        heading = f"wrong in every run of every model: {self._count(found)}"
        self._write("hardest", [(heading, found[:MOST], nets)])

    def confidently_wrong(self, net: str) -> None:
        found = self.mistakes.confidently_wrong(net)
        heading = f"{net} wrong in every run: {self._count(found)}"
        self._write(f"confidently_wrong_{safe_name(net)}", [(heading, found[:MOST], [net])])

    def separating(self, a: str, b: str) -> None:
        parts = []
        for right, wrong in ((a, b), (b, a)):
            found = self.mistakes.separating(right, wrong)
            heading = f"{right} right, {wrong} wrong in every run: {self._count(found)}"
            parts.append((heading, found[: MOST // 2], [wrong]))
        self._write(f"separating_{safe_name(a)}_{safe_name(b)}", parts)

    def _count(self, found: np.ndarray) -> str:
        return f"{len(found):,} of {len(self.images):,} test images"

    def _write(self, name: str, parts: Sequence[tuple[str, np.ndarray, Sequence[str]]]) -> None:
        """Draw a sheet of headings, images, and the nets whose predictions stand below these."""
        first = next(iter(self.evidence.runs.values()))[0].setup
        groups = [
            Group(heading, [self._tile(image, nets) for image in found])
            for heading, found, nets in parts
        ]
        has_votes = any(self._runs(nets) > 1 for _, _, nets in parts)
        votes = ", mean confidence, and how many runs say so" if has_votes else ", confidence"
        subtitle = f"true class; predicted class{votes}; the most confidently wrong first"
        figure = image_sheet(f"{first.dataset}, protocol {first.protocol}", subtitle, groups)
        path = self.evidence.folder / "plots" / f"{name}.png"
        save(figure, path)
        print(f"{'; '.join(group.heading for group in groups)}: {path}")

    def _tile(self, image: int, nets: Sequence[str]) -> Tile:
        labels = self.evidence.labels
        assert labels is not None
        predicted, votes = self.mistakes.predicted(image, nets)
        confidence = np.mean([self.mistakes.confidence[net][image] for net in nets])
        figures = f" {confidence:.2f}"
        if (runs := self._runs(nets)) > 1:
            figures += f" {votes}/{runs}"
        return Tile(
            self.images[image].transpose(1, 2, 0),
            labels.classes[labels.true[image]],
            labels.classes[predicted],
            figures,
        )

    def _runs(self, nets: Sequence[str]) -> int:
        return sum(len(self.mistakes.predictions[net]) for net in nets)
