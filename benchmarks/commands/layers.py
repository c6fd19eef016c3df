"""Files with the layers of trained nets, which the page of a comparison shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pandas as pd

from benchmarks.records import layers, store
from benchmarks.records.record import OK, RunRecord

# Of records that do not say it: Fashion-MNIST's, as `describe` assumes.
CHANNELS, CLASSES = 1, 10


def write_layers(folder: Path) -> None:
    """Count the layers of each net of a comparison that has no such file yet.

    A net that cannot be built here, or whose code has changed since it was trained, gets none: its
    parameters and MACs must be those of the record.

    Args:
        folder: `<results>/<dataset>/<protocol>`, with records in `runs/`.
    """
    records = sorted(store.load(folder), key=lambda record: record.finished_at)
    nets = {
        (each.setup.model, each.setup.image_size): each for each in records if each.status == OK
    }
    missing = [record for record in nets.values() if layers.read(folder, record) is None]
    if not missing:
        return
    from benchmarks.analysis.evidence import Evidence

    labels = Evidence.load(folder).labels
    classes = len(labels.classes) if labels else CLASSES
    for record, found in _counted(missing, classes):
        if not layers.fits(found, record):
            continue
        try:
            layers.write(folder, record, found)
        except OSError:
            return  # for a reason that the rebuild names, which follows


def _counted(
    records: Iterable[RunRecord], classes: int
) -> Iterator[tuple[RunRecord, pd.DataFrame]]:
    """Records, and the layers of their nets as these are built today."""
    import torch

    import lit_models

    for record in records:
        setup = record.setup
        shape = {
            "image_size": setup.image_size,
            "in_channels": len(setup.mean) or CHANNELS,
        }
        try:
            # Registered nets need no weights for this; others may compute with theirs when built.
            is_registered = lit_models.entry(setup.model).min_size is not None
            with torch.device("meta") if is_registered else nullcontext():
                net = lit_models.build(setup.model, num_classes=classes, **shape)
            cost = lit_models.cost(net, **shape)
        except Exception:  # nets of others raise what they like
            continue
        rows = [
            (
                layer.name,
                layer.kind,
                " x ".join(map(str, layer.output_shape)),
                layer.parameters,
                layer.macs,
            )
            for layer in cost.layers
        ]
        parameters, macs = (
            getattr(cost, name) - sum(getattr(layer, name) for layer in cost.layers)
            for name in ("parameters", "macs")
        )
        if parameters or macs:
            rows.append(("(outside these layers)", "", "", parameters, macs))
        yield record, pd.DataFrame(rows, columns=list(layers.COLUMNS))
