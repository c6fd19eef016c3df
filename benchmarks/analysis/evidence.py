"""What the records and predictions of one comparison say, by model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.analysis.accuracies import Accuracies, Trainings
from benchmarks.errors import UsageError, check_known
from benchmarks.planning.protocol import AUTO
from benchmarks.records import store
from benchmarks.records.artifacts import Labels, Predictions, read_predictions
from benchmarks.records.record import OK, RunRecord
from datamodules import SEGMENTATION

# Sizes of test sets whose older records do not tell.
TEST_IMAGES = {"fashion_mnist": 10_000, "cifar10": 10_000}


@dataclass(frozen=True)
class Evidence:
    """The runs of one comparison that ended well, by model: the newest of each seed.

    Where the comparison varies a field, by model and value, such as `lenet, batch size 16`.

    All have the protocol, the data and the devices of the newest run. `folders` are those of
    models that lie in other comparisons than `folder`.
    """

    folder: Path
    runs: Mapping[str, Sequence[RunRecord]]
    folders: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Evidence:
        """The evidence in `<results>/<dataset>/<protocol>`.

        Raises:
            UsageError: no run there ended well.
        """
        records = [record for record in store.load(folder) if record.status == OK]
        if not records:
            raise UsageError(f"no run in {folder / 'runs'} ended well; `make bench` makes some")
        records.sort(key=lambda record: record.finished_at)
        newest = {
            (record.setup.label, record.setup.seed): record
            for record in records
            if _conditions(record) == _conditions(records[-1])
        }
        runs: dict[str, list[RunRecord]] = {}
        for (model, _), record in sorted(newest.items()):
            runs.setdefault(model, []).append(record)
        return cls(folder, runs)

    @classmethod
    def joined(cls, parts: Mapping[str, Evidence]) -> Evidence:
        """The evidence of several comparisons on the same images; models as by `joined_name`.

        Raises:
            UsageError: the comparisons evaluated different images.
        """
        names = {
            (part, model): joined_name(model, part) for part in parts for model in parts[part].runs
        }
        joined = cls(
            next(iter(parts.values())).folder,
            {name: parts[part].runs[model] for (part, model), name in names.items()},
            {name: parts[part].folder for (part, _), name in names.items()},
        )
        digests = {record.setup.data_digest for runs in joined.runs.values() for record in runs}
        if len(digests) > 1:
            raise UsageError(f"{', '.join(parts)} have different data, whose images pair no nets")
        return joined

    @cached_property
    def predictions(self) -> Mapping[str, Sequence[Predictions | None]]:
        """The predictions of each run; None where it left none."""
        return {
            model: [
                read_predictions(self.folders.get(model, self.folder), record) for record in runs
            ]
            for model, runs in self.runs.items()
        }

    @cached_property
    def labels(self) -> Labels | None:
        """The true classes of the evaluated images, if all predictions share them."""
        kept = [each for group in self.predictions.values() for each in group if each is not None]
        by_digest = {each.labels.digest: each.labels for each in kept if each.labels is not None}
        return next(iter(by_digest.values())) if len(by_digest) == 1 else None

    @cached_property
    def accuracies(self) -> Accuracies | None:
        """Accuracies on the evaluated images; None where their number is unknown, as of masks."""
        if self.images is None:
            return None
        trainings = {
            model: Trainings(np.array(values), self.images, self.correct(model))
            for model, runs in self.runs.items()
            if None not in (values := [accuracy(record) for record in runs])
        }
        return Accuracies(trainings) if trainings else None

    def correct(self, model: str) -> np.ndarray | None:
        """Which images each run gets right, bool (S, n); None where predictions are missing."""
        kept = self.predictions[model]
        if self.labels is None or any(each is None or each.labels is None for each in kept):
            return None
        return np.array([each.correct for each in kept if each is not None])

    @cached_property
    def classified(self) -> Mapping[str, Sequence[Predictions]]:
        """The predictions of the models whose runs all left some of the same labelled images."""
        return {
            model: [each for each in kept if each is not None]
            for model, kept in self.predictions.items()
            if self.correct(model) is not None
        }

    @cached_property
    def images(self) -> int | None:
        """Number of evaluated images; None: unknown, or the accuracy counts pixels."""
        record = next(iter(self.runs.values()))[0]
        if record.setup.task == SEGMENTATION:
            return None
        if self.labels is not None:
            return len(self.labels.true)
        held_out = record.setup.settings.get("validation_examples")
        known = record.scores.evaluated_examples or held_out
        return known or TEST_IMAGES.get(record.setup.dataset)


def joined_name(model: str, part: str) -> str:
    """The name of a model among several comparisons, such as `lenet, xavier`."""
    return f"{model}, {part}" if part else model


def find(results: Path, dataset: str, protocol: str) -> Path:
    """The folder of a comparison, `<results>/<dataset>/<protocol>`.

    Args:
        protocol: its name; auto: the only one that this dataset has records of.

    Raises:
        UsageError: there are no records, or under several protocols.
    """
    known = [f for f in store.RecordStore(results).folders() if f.parent.name == dataset]
    if not known:
        raise UsageError(f"no records of {dataset} in {results}; `make bench` makes them")
    names = [folder.name for folder in known]
    if protocol == AUTO:
        if len(known) > 1:
            raise UsageError(f"{dataset} has records under {', '.join(names)}; choose a PROTOCOL")
        return known[0]
    name = Path(protocol).stem if protocol.endswith((".yaml", ".yml")) else protocol
    check_known("protocol", name, names)
    return known[names.index(name)]


def accuracy(record: RunRecord) -> float | None:
    """The accuracy after training: on the test set, or on the held-out examples."""
    scores = record.scores
    return scores.validation_accuracy if scores.test_accuracy is None else scores.test_accuracy


def _conditions(record: RunRecord) -> tuple:
    setup = record.setup
    placement = setup.device_type, setup.devices, setup.num_nodes
    return setup.protocol_digest, setup.data_digest, *placement
